"""A minimal synchronous loop (sample, score, learn) in one process: no replay buffer, no asynchrony.

For proofs and experiments, where the data that each step learns from is the experiment. What it does is what a run does
(engine, verifier, reference, learner are the system's own); what it leaves out is the buffer, asynchrony and records.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from steelyard.core import Prompt, Sampling, Task, Trajectory, Weights, needs_of, rng, to_bytes
from steelyard.core.json import JsonObject
from steelyard.learner import Adam, Learner, demonstration
from steelyard.objective import SFT, Objective
from steelyard.policy import Policy
from steelyard.policy.copied import copied
from steelyard.rollout import engine_for
from steelyard.runtime.inline.delayed_store import DelayedWeightStore
from steelyard.searcher import Assignment, Searcher
from steelyard.worlds.base_cache import taught_once
from steelyard.worlds.described import described
from steelyard.worlds.imitation import imitating


class SyncLoop:
    """A policy under an objective, with a task to sample and score. The policy it is given is not changed.

    Args:
        policy: where training begins; also the reference.
        task: prompts, and how completions are scored.
        objective: what is learned by.
        learning_rate: constant, unless `optimizer` has a schedule.
        seed: of samples and of the order of prompts.
        num_generations: samples of each prompt.
        max_tokens: most tokens of a completion.
        temperature: of the policy.
        top_p: of the samples; below 1 they leave out the unlikely end of each token's distribution.
        optimizer: Adam's other settings.
    """

    def __init__(
        self,
        policy: Policy,
        task: Task,
        objective: Objective,
        *,
        learning_rate: float,
        seed: int,
        num_generations: int = 8,
        max_tokens: int = 20,
        temperature: float = 1.0,
        top_p: float = 1.0,
        optimizer: Adam | None = None,
        **learning: Any,
    ) -> None:
        self.task = task
        self.num_generations = num_generations
        self._start = policy
        self._seed = seed
        self._sampling = Sampling(temperature, max_tokens, top_p)
        self.learner = Learner(
            copied(policy),
            objective,
            optimizer or Adam(),
            learning_rate=learning_rate,
            temperature=temperature,
            **learning,
        )
        self._weights, self._references = (DelayedWeightStore(self.learner.reference) for _ in range(2))
        self._searching = copied(policy)
        self._engine = engine_for(self._searching, seed)
        self._drawn: dict[str, int] = {}
        self._tokens = 0

    @property
    def policy(self) -> Policy:
        """What is trained."""
        return self.learner.policy

    @property
    def moved(self) -> float:
        """How far training has moved the weights from those that it was given: `moved`."""
        return moved(self._start, self.policy)

    @property
    def scale(self) -> dict[str, float]:
        """As metrics: the policy's parameters, and the tokens of all trajectories that it has learned from."""
        return {"parameters": float(self.policy.num_parameters()), "tokens": float(self._tokens)}

    def sample(self, prompts: Sequence[Prompt]) -> list[list[Trajectory]]:
        """`num_generations` new samples of each prompt by the present weights, scored, with reference log-probs."""
        return self._search(prompts, self.num_generations, self._sampling)

    def learn(self, groups: Sequence[Sequence[Trajectory]]) -> JsonObject:
        """One step on these groups, whoever sampled them; returns its metrics."""
        row = self.learner.step([list(group) for group in groups])
        self._tokens += sum(len(t.tokens_T) for group in groups for t in group)
        self._weights.publish(Weights.of(self.policy.weights(), self.learner.version))
        return row

    def run(self, steps: int, num_prompts: int) -> list[JsonObject]:
        """On-policy steps over the training prompts, in a shuffled order; returns each step's metrics."""
        prompts = self.task.prompts("train")
        order = np.concatenate(
            [
                rng(self._seed, "lab", epoch).permutation(len(prompts))
                for epoch in range(-(-steps * num_prompts // len(prompts)))
            ]
        )
        turns = order[: steps * num_prompts].reshape(steps, num_prompts)
        return [self.learn(self.sample([prompts[i] for i in turn])) for turn in turns]

    def accuracy(self, prompts: Sequence[Prompt]) -> float:
        """Mean reward of greedy completions; one that could not be scored counts as none."""
        groups = self._search(prompts, 1, replace(self._sampling, temperature=0.0))
        return float(np.mean([t.reward or 0.0 for [t] in groups]))

    def sampled(self, prompts: Sequence[Prompt], samples: int) -> list[list[Trajectory]]:
        """So many new samples of each prompt, scored."""
        return self._search(prompts, samples, self._sampling)

    def _search(self, prompts: Sequence[Prompt], samples: int, sampling: Sampling) -> list[list[Trajectory]]:
        searcher = Searcher(
            self._engine,
            self._searching,
            prompts,
            self.task.score,
            weights=self._weights,
            references=self._references,
            sampling=sampling,
            temperature=self._sampling.temperature,
            max_logp_mismatch=float("inf"),
            task=self.task,
            labels=needs_of(self.learner.objective).labels,
        )
        first = [self._drawn.get(prompt.id, 0) for prompt in prompts]
        asked = [Assignment(i, first[i] + s) for i in range(len(prompts)) for s in range(samples)]
        self._drawn |= {prompt.id: start + samples for prompt, start in zip(prompts, first, strict=True)}
        found = sorted((t for part in searcher.search(asked) for t in part), key=lambda t: t.sample)
        groups: dict[str, list[Trajectory]] = {prompt.id: [] for prompt in prompts}
        for trajectory in found:
            groups[trajectory.prompt_id].append(trajectory)
        return list(groups.values())


def moved(start: Policy, policy: Policy) -> float:
    """The distance between two policies' weights, as a share: ||w - w_0|| / ||w_0|| over all trainable parameters."""
    before = torch.cat([p.detach().double().flatten() for p in start.trainable().values()])
    after = torch.cat([p.detach().double().flatten() for p in policy.trainable().values()])
    return float((after - before).norm() / before.norm())


def tiny_policy(
    symbols: Sequence[str],
    *,
    seed: int,
    width: int = 48,
    layers: int = 2,
    heads: int = 4,
    neurons: int = 2,
    context: int = 64,
    spaced: bool = False,
    tied: bool = True,
) -> Policy:
    """An untrained Llama with one token for each symbol, as `symbol_tokenizer` reads them.

    Args:
        symbols: one token each.
        seed: of the weights.
        width: numbers of a hidden state.
        layers: how many.
        heads: of each layer.
        neurons: of each layer, to each number of a hidden state.
        context: tokens that it reads, at most.
        spaced: whether symbols are words.
        tied: whether the head is the embedding.
    """
    import transformers

    config = transformers.LlamaConfig(
        vocab_size=2 + len(symbols),
        hidden_size=width,
        intermediate_size=neurons * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=context,
        tie_word_embeddings=tied,
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Policy(transformers.LlamaForCausalLM(config), symbol_tokenizer(symbols, context, spaced=spaced))


def symbol_tokenizer(symbols: Sequence[str], context: int, *, spaced: bool = False) -> Any:
    """One token for each symbol, after padding (0) and end of sequence (1); what is not known becomes padding.

    Symbols are characters, or where `spaced`, words with spaces between them.
    """
    import tokenizers
    import transformers

    vocab = {token: i for i, token in enumerate(["<pad>", "<eos>", *symbols])}
    inner = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocab, unk_token="<pad>"))
    if spaced:
        inner.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    else:
        inner.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
        inner.decoder = tokenizers.decoders.Fuse()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="<pad>",
        eos_token="<eos>",
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )


def imitate(
    policy: Policy,
    pairs: Sequence[tuple[str, str]],
    *,
    steps: int,
    batch: int,
    learning_rate: float,
    seed: int,
    objective: Objective | None = None,
) -> list[JsonObject]:
    """Train a policy in place on prompts and given completions, as `imitate_all` does."""
    given = [demonstration(policy, Prompt(text, text), completion) for text, completion in pairs]
    return imitate_all(
        policy, given, steps=steps, batch=batch, learning_rate=learning_rate, seed=seed, objective=objective
    )


def imitate_all(
    policy: Policy,
    given: Sequence[Trajectory],
    *,
    steps: int,
    batch: int,
    learning_rate: float,
    seed: int,
    objective: Objective | None = None,
) -> list[JsonObject]:
    """Train a policy in place on given trajectories: warm-up, then a linear fall to a fiftieth.

    The same lessons are taught once where a cache of base models is in use (`base_cache`).
    """
    objective = objective or SFT()

    def teach() -> list[JsonObject]:
        learner = imitating(policy, learning_rate, warmup=min(50, steps // 4), steps=steps, objective=objective)
        draws = rng(seed, "imitate")
        return [learner.step([[given[i]] for i in draws.integers(len(given), size=batch)]) for _ in range(steps)]

    shown = hashlib.blake2b(b"".join(map(to_bytes, given)), digest_size=16).hexdigest()
    return taught_once(policy, teach, [shown, steps, batch, learning_rate, seed, described(objective)])
