"""RL on soft tokens as a job: `steelyard train soft-tokens --model DIR --path questions.jsonl`.

Every step draws samples by the present weights, has them scored, and learns from them once: nothing is stored, since
the noisy vectors of a thought are many and an older one would need a ratio of densities. What the run writes is a
model that thinks in words as well: `sample` and `eval` use it so.

    eval/accuracy, eval/pass_at_K     of completions in words, of as many tokens as a thought and an answer have
    eval/soft_accuracy, eval/soft_pass_at_K     of answers after a soft thought; greedy ones without noise
    objective/shaped_reward           mean reward of a step's samples
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import tyro
from msgspec import Meta

from steelyard.core import (
    Engine,
    Episode,
    Positive,
    PositiveInt,
    Prompt,
    Reward,
    Sampling,
    SteelyardError,
    checked,
    require,
)
from steelyard.core.json import JsonObject
from steelyard.eval import Evaluation, evaluate
from steelyard.learner.given_data import GivenData
from steelyard.learner.model_job import ModelJob
from steelyard.learner.soft_learner import SoftLearner
from steelyard.objective import RLOO
from steelyard.policy import Policy
from steelyard.policy.copied import copied
from steelyard.policy.soft_inputs import check_soft, root_mean_square
from steelyard.reward import Closable
from steelyard.reward.given import reward_function
from steelyard.rollout import engine_for
from steelyard.rollout.soft_engine import SoftEngine
from steelyard.rollout.soft_tokens import SoftTokens
from steelyard.task import Rows
from steelyard.training.fresh_samples import FreshSamples, present

Plain = tyro.conf.OmitArgPrefixes


@dataclass
class SampledWork(GivenData):
    """Work whose groups are sampled, with what scores them."""

    scorers: Sequence[Closable] = ()

    def step(self) -> JsonObject:
        """Make the next step; returns its metrics, those of the samples too."""
        return self.learner.step(self.groups_at(self.learner.steps))

    def close(self) -> None:
        """End the scorers' child processes."""
        for scorer in self.scorers:
            scorer.close()


@checked()
@dataclass(frozen=True)
class SoftTuning(ModelJob):
    """Train a model by RL on thoughts in soft tokens."""

    OWN_DATA: ClassVar[str] = Rows.OWN_DATA

    soft: Annotated[SoftTokens, Plain] = field(default_factory=SoftTokens)
    """How it thinks."""
    task: Annotated[Rows, Plain] = field(default_factory=Rows)
    """The prompts, and what is right."""
    reward: str = ""
    """What scores answers, module:function(prompts, completions, **columns); empty for the rows' answers."""
    num_generations: Annotated[int, Meta(ge=2)] = 32
    """Samples of each prompt, which are compared with each other."""
    batch_size: PositiveInt = 2
    """Prompts in a step."""
    temperature: Positive = 1.0
    """Of the answers' tokens."""
    max_completion_length: PositiveInt = 64
    """Most tokens of an answer, after its thought."""
    held_out_prompts: PositiveInt = 64
    """Held-out prompts that are measured, the first ones."""
    held_out_samples: PositiveInt = 8
    """K: samples of each held-out prompt."""

    @property
    def title(self) -> str:
        """What is trained on what."""
        kind = f"soft tokens at temperature {self.soft.soft_temperature:g}"
        return f"RLOO on {self.soft.soft_steps} {kind}, on {self.task.path}; model {self.model}"

    def asked(self) -> Sequence[Prompt]:
        """Held-out prompts."""
        return self.task.prompts("held-out")

    def plan(self) -> Mapping[str, JsonObject]:
        """The prompts, the model, and how many steps there are."""
        train, held = (self.task.prompts(split) for split in ("train", "held-out"))
        policy = self.planned_policy()
        if policy is not None:
            self._check(policy, [*train, *held])
        steps = {"steps": self.steps_over(len(train)), "samples": self.batch_size * self.num_generations}
        return {"data": self._told(train, held), "model": self.planned_model(policy), "steps": steps}

    def open(self) -> SampledWork:
        """Read the prompts and load the model."""
        train, held = (self.task.prompts(split) for split in ("train", "held-out"))
        policy = self.policy()
        self._check(policy, [*train, *held])
        reward = self._tried(train)
        learner = SoftLearner(
            policy,
            RLOO(),
            self.optimizer,
            learning_rate=self.learning_rate,
            temperature=self.temperature,
            micro_tokens=self.micro_tokens,
        )
        sigma = self.soft.noise * root_mean_square(policy)
        engine = SoftEngine(copied(policy), self.soft, sigma, self.seed)
        score = reward or self.task.score
        sampling = Sampling(self.temperature, self.max_completion_length)
        samples = FreshSamples(
            learner, engine, train, score, sampling, self.batch_size, self.num_generations, self.seed
        )
        measured = Measured(self, learner, engine_for(copied(policy), self.seed), engine, reward)
        return SampledWork(
            learner,
            samples,
            self.steps_over(len(train)),
            lambda: measured(held[: self.held_out_prompts]),
            self._told(train, held),
            scorers=[one for one in (self.task, reward) if isinstance(one, Closable)],
        )

    def _tried(self, prompts: Sequence[Prompt]) -> Reward | None:
        """What the job names as a reward, called once on empty answers; None for the rows' answers.

        Raises:
            SteelyardError: it cannot be loaded or called.
        """
        if not self.reward:
            return None
        reward = reward_function(self.reward, max_steps=self.steps_over(len(prompts)))
        try:
            reward([Episode.written(prompt, "") for prompt in prompts[:2]])
        except SteelyardError:
            if isinstance(reward, Closable):
                reward.close()
            raise
        return reward

    def _told(self, train: Sequence[Prompt], held: Sequence[Prompt]) -> JsonObject:
        return {"train": len(train), "held_out": len(held), "notes": dict(self.task.notes)}

    def _check(self, policy: Policy, prompts: Sequence[Prompt]) -> None:
        """Refuse a model that has no soft tokens, or no room for them."""
        check_soft(policy)
        cue = len(policy.tokenizer.encode(self.soft.cue, add_special_tokens=False)) if self.soft.cue else 0
        more = self.soft.soft_steps + cue + self.max_completion_length
        longest = max(len(policy.encode(prompt.text)) for prompt in prompts)
        what = (
            f"is {self.soft.soft_steps}: with a prompt of {longest} tokens and an answer that makes {longest + more},"
        )
        what += f" and the model's context has {policy.context_length}"
        fits = longest + more <= policy.context_length
        require(fits, what, where="--soft-steps", hint="lower it or --max-completion-length")


@dataclass(frozen=True)
class Measured:
    """Measures a learner's policy as it is, on held-out prompts: answers in words, and after soft thoughts."""

    job: SoftTuning
    learner: SoftLearner
    in_words: Engine
    softly: SoftEngine
    reward: Reward | None
    """What is trained on, where it is not the rows' answers."""

    def __call__(self, prompts: Sequence[Prompt]) -> tuple[JsonObject, list[JsonObject]]:
        """The numbers, and some completions in words to read."""
        length = self.job.max_completion_length
        hard = self._of(self.in_words, prompts, length + self.softly.more)
        soft = self._of(self.softly, prompts, length)
        after = {name.replace("eval/", "eval/soft_"): value for name, value in soft.metrics.items()}
        return {**hard.metrics, **after}, [dict(sample) for sample in hard.samples]

    def _of(self, engine: Engine, prompts: Sequence[Prompt], length: int) -> Evaluation:
        policy = self.learner.policy
        return evaluate(
            engine,
            self.job.task,
            prompts,
            policy.encode,
            policy.decode,
            sampling=Sampling(self.job.temperature, length),
            samples_per_prompt=self.job.held_out_samples,
            weights=present(self.learner),
            reward=self.reward,
        )
