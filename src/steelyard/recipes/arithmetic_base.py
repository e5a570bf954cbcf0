"""The base model of `arithmetic`, made by plain supervised training: `steelyard warmstart arithmetic`.

Two phases on an unlimited stream of problems, none of them held out. First mostly worked solutions, in four styles, so
that the skill is there; then four guesses to every worked solution, so that it is latent: the model guesses nearly
always, and its guess, the sum to the nearest ten, is right one time in ten.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from steelyard.core import Prompt, Sampling, Trajectory, WarmupStableDecay, require, stream
from steelyard.eval import evaluate
from steelyard.learner import Adam, Learner
from steelyard.objective import SFT
from steelyard.policy import Policy
from steelyard.recipes.new_model import save_new
from steelyard.rollout import engine_for
from steelyard.runtime.records import check_output
from steelyard.task.arithmetic import STYLES, Arithmetic, draw_terms, is_held_out, problem, solution

CHARACTERS = "0123456789+-=,:><tp"
MARKERS = {"left": ">", "right": "<", "tens": "t", "pairs": "p"}
SKILL = {"bare": 0.04, "left": 0.24, "right": 0.24, "tens": 0.24, "pairs": 0.24}
HABIT = {"bare": 0.80, "left": 0.05, "right": 0.05, "tens": 0.05, "pairs": 0.05}
_NEVER = Sampling(max_tokens=20)


@dataclass(frozen=True)
class ArithmeticBase:
    """Train the base model of the arithmetic recipes; about 15 minutes on one core."""

    output_dir: str = "runs/warmstart-arithmetic"
    """Where the model is written."""
    skill_steps: int = 4500
    """Steps on mostly worked solutions."""
    habit_steps: int = 400
    """Steps on mostly guesses."""
    batch: int = 192
    """Problems in a step."""
    learning_rate: float = 4e-3
    """Highest learning rate; it falls linearly to a fiftieth."""
    seed: int = 0
    """Seed of weights and problems."""

    def __post_init__(self) -> None:
        for name in ("skill_steps", "habit_steps", "batch"):
            require(
                getattr(self, name) > 0,
                f"is {getattr(self, name)}",
                where=f"--{name.replace('_', '-')}",
                mend="use 1 or more",
            )
        require(
            0 < self.learning_rate < 1,
            f"is {self.learning_rate}",
            where="--learning-rate",
            mend="use a number above 0, below 1",
        )
        require(0 <= self.seed < 2**63, f"is {self.seed}", where="--seed", mend="use 0 to 2^63 - 1")

    def __call__(self) -> dict[str, Any]:
        """Train, measure and save; returns the measurements.

        Raises:
            SteelyardError: the output directory is not empty, or cannot be made.
        """
        directory = Path(self.output_dir)
        check_output(directory)
        torch.set_num_threads(1)  # so that the weights do not depend on the number of cores
        began, steps = time.monotonic(), self.skill_steps + self.habit_steps
        learner = self._learner(steps)
        for step in range(steps):
            row = learner.step(self._batch(step, learner.policy))
            if (step + 1) % 100 == 0:
                print(
                    f"step {step + 1}/{steps}  loss {row['learner/loss']:.4f}  {time.monotonic() - began:.0f} s",
                    file=sys.stderr,
                    flush=True,
                )
        save_new(learner.policy, directory)
        found = measure(learner.policy)
        for name, value in found.items():
            print(f"{name:<22} {value}")
        print(f"model: {directory}")
        return {"model": str(directory), "seconds": time.monotonic() - began, **found}

    def _learner(self, steps: int) -> Learner:
        warmup = min(100, steps // 2)
        schedule = WarmupStableDecay(warmup=warmup, stable=0, decay=steps - warmup, floor=0.02)
        optimizer = Adam(beta2=0.98, weight_decay=0.01, schedule=schedule)
        return Learner(new_policy(self.seed), SFT(), optimizer, learning_rate=self.learning_rate)

    def _batch(self, step: int, policy: Policy) -> list[list[Trajectory]]:
        """Worked solutions as trajectories: imitation is learning from episodes that somebody else acted."""
        draws = stream(self.seed, "warmstart", step)
        shares = SKILL if step < self.skill_steps else HABIT
        terms = draw_terms(draws, 2 * self.batch).tolist()
        kept = [t for t in terms if not is_held_out(problem(t))][: self.batch]
        styles = draws.choice(list(shares), size=len(kept), p=list(shares.values()))
        return [[demonstration(policy, problem(t), solution(s, t))] for t, s in zip(kept, styles, strict=True)]


def new_policy(seed: int) -> Policy:
    """The untrained model, 0.28M parameters, with its character tokenizer."""
    import transformers

    config = transformers.LlamaConfig(
        vocab_size=2 + len(CHARACTERS),
        hidden_size=96,
        intermediate_size=192,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=64,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Policy(transformers.LlamaForCausalLM(config), character_tokenizer())


def character_tokenizer() -> Any:
    """One token for each character, after padding (0) and end of sequence (1)."""
    import tokenizers
    import transformers

    vocab = {token: i for i, token in enumerate(["<pad>", "<eos>", *CHARACTERS])}
    inner = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocab, unk_token="<pad>"))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
    inner.decoder = tokenizers.decoders.Fuse()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="<pad>",
        eos_token="<eos>",
        model_max_length=64,
        clean_up_tokenization_spaces=False,
    )


def demonstration(policy: Policy, prompt: str, completion: str) -> Trajectory:
    """A prompt and its given completion, end of sequence included, as a trajectory to imitate."""
    before, after = policy.encode(prompt), [*policy.encode(completion), policy.eos_ids[0]]
    action_T = np.zeros(len(before) + len(after), bool)
    action_T[len(before) :] = True
    nothing_T = np.zeros(len(action_T), np.float32)
    return Trajectory(
        prompt,
        np.array(before + after, np.int32),
        action_T,
        nothing_T,
        0,
        "",
        _NEVER,
        "stop",
        logp_ref_T=nothing_T,
        reward=0.0,
    )


def measure(policy: Policy, num_prompts: int = 512) -> dict[str, Any]:
    """Greedy accuracy and style shares, and the accuracy of each style when it is begun for the model."""
    task, engine = Arithmetic(held_out=num_prompts), engine_for(policy, 0)
    prompts = task.prompts("held-out")

    def ask(prompts: Sequence[Prompt], samples: int) -> dict[str, Any]:
        found = evaluate(
            engine, task, prompts, policy.encode, policy.decode, sampling=_NEVER, samples_per_prompt=samples
        )
        return dict(found.metrics)

    whole = ask(prompts, 8)
    forced = {}
    for style in STYLES:
        begun = [replace(p, text=f"{p.text}{MARKERS[style]}") for p in prompts] if style in MARKERS else []
        if begun:
            forced[style] = round(ask(begun, 0)["eval/accuracy"], 3)
    shares = {style: round(share, 3) for style, share in whole["eval/styles"].items()}
    return {
        "greedy_accuracy": whole["eval/accuracy"],
        "sampled_accuracy": whole["eval/reward_mean"],
        "style_shares": shares,
        "style_accuracy": forced,
    }
