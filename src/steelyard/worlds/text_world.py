"""Worlds of text: a task, and the model that a proof begins with; measured by short runs side by side.

Arms, each from the same base model, on as many fresh rows of the same prompts at one learning rate:

    base       nothing is learned
    grpo       GRPO on own samples, without a KL penalty
    rft        imitation of each group's best samples (rejection sampling fine-tuning)
    sft        imitation of the world's demonstrations, where it has any
    likely     GRPO, but samples leave out the unlikely fifth of each token's distribution (top-p 0.8)
    stored     GRPO on samples that the base drew before the first step
    noisy      GRPO, with one reward in five turned round (1 - r)
    grpo-hot   GRPO at three times the rate; rft-hot likewise
    outcome    KTO, and steps: Step-KTO, where the score labels steps

Measured by samples at temperature 1 on held-out prompts: `score` (the gold quality where the task knows one, else the
reward), `reward`, `pass` (share of prompts with a sample of reward 1), `distinct` (different right completions of a
prompt), `cut` (share of completions without an end), `first` (share right in the first of several turns) and `score@d`
for each domain d.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, Generic, TypeVar

import numpy as np

from steelyard.core import Prompt, Task, Trajectory, rng
from steelyard.core.protocols import Interactive
from steelyard.learner import demonstration
from steelyard.learner.demonstrations import Demonstrator
from steelyard.objective import GRPO, KTO, SFT, Objective, StepKTO
from steelyard.policy import Policy
from steelyard.worlds.contract import ArmMetrics, Property
from steelyard.worlds.sync_loop import SyncLoop
from steelyard.worlds.text_properties import judged

Groups = list[list[Trajectory]]
T = TypeVar("T", bound=Task)
EVALUATED = 512
"""Samples in an evaluation, 8 of each prompt where there are enough prompts."""
NOISE = 0.2
"""Share of the rewards that the noisy arm turns round."""
HOT = 3.0
"""How much higher the rate of the hot arms is."""


@dataclass(frozen=True)
class TextWorld(Generic[T]):
    """A task of text with its base model."""

    task: Callable[[int], T]
    """The task of a seed."""
    base: Callable[[T, int], Policy]
    """The model that a proof on the task begins with; a function of task and seed."""
    max_tokens: int
    """Most tokens of a completion, or of each turn, its end included."""
    learning_rate: float = 3e-4
    """Of every arm but the hot ones."""
    steps: int = 32
    """Learner steps of an arm."""
    rows: int = 128
    """Samples in a step, 8 of each prompt where there are enough prompts."""
    absent: Mapping[str, str] = field(default_factory=dict)
    """Property -> why it makes no sense here, where that does not follow from the task."""

    kind: ClassVar[str] = "text"
    columns: ClassVar[tuple[str, ...]] = ("base", "GRPO", "RFT", "SFT")

    def measure(self, seed: int) -> Iterator[tuple[str, Mapping[str, float]]]:
        """The arms of one seed; `cpu_s` is what each took, the base with its making."""
        began = time.process_time()
        course = Course(self, seed)
        for arm, run in course.arms().items():
            metrics = run()
            yield arm, {**metrics, "cpu_s": time.process_time() - began}
            began = time.process_time()

    def properties(self, seeds: Sequence[ArmMetrics]) -> list[Property]:
        """What the arms say together."""
        return judged(seeds, self.absent)


class Course(Generic[T]):
    """The arms of one seed, from one base."""

    def __init__(self, world: TextWorld[T], seed: int) -> None:
        self.world = world
        self.seed = seed
        self.task = world.task(seed)
        self.base = world.base(self.task, seed)
        self.train = self.task.prompts("train")
        self.num_prompts = min(world.rows // 8, len(self.train))
        self.samples = world.rows // self.num_prompts

    def arms(self) -> dict[str, Callable[[], dict[str, float]]]:
        """Arm -> what measures it; those that the task has no use for are left out."""
        grpo = GRPO()
        noise = rng(self.seed, "noise")
        arms: dict[str, Callable[[], dict[str, float]]] = {
            "base": lambda: self.quality(self.base) | self.shape(),
            "grpo": lambda: self.sampled(grpo),
            "rft": lambda: self.sampled(SFT(), keep=best),
            "likely": lambda: self.sampled(grpo, top_p=0.8),
            "stored": lambda: self.stored(grpo),
            "noisy": lambda: self.sampled(grpo, keep=lambda groups: turned_round(groups, NOISE, noise)),
            "grpo-hot": lambda: self.sampled(grpo, heat=HOT),
            "rft-hot": lambda: self.sampled(SFT(), keep=best, heat=HOT),
        }
        task: Task = self.task
        if isinstance(task, Demonstrator):
            arms["sft"] = partial(self.imitated, task)
        if self.labels_steps():
            arms["outcome"] = lambda: self.sampled(KTO())
            arms["steps"] = lambda: self.sampled(StepKTO())
        return arms

    def loop(
        self,
        objective: Objective,
        policy: Policy,
        *,
        heat: float = 1.0,
        top_p: float = 1.0,
    ) -> SyncLoop:
        """A loop from the policy."""
        world = self.world
        return SyncLoop(
            policy,
            self.task,
            objective,
            learning_rate=heat * world.learning_rate,
            seed=self.seed,
            num_generations=self.samples,
            max_tokens=world.max_tokens,
            top_p=top_p,
        )

    def turns(self) -> Iterator[list[Prompt]]:
        """The prompts of each step, the same for all arms."""
        for step in range(self.world.steps):
            order = rng(self.seed, "world", step).permutation(len(self.train))
            yield [self.train[i] for i in order[: self.num_prompts]]

    def sampled(
        self,
        objective: Objective,
        *,
        keep: Callable[[Groups], Groups] = lambda groups: groups,
        heat: float = 1.0,
        top_p: float = 1.0,
    ) -> dict[str, float]:
        """Learn from own samples, or what is kept of them."""
        loop = self.loop(objective, self.base, heat=heat, top_p=top_p)
        for prompts in self.turns():
            if kept := keep(loop.sample(prompts)):
                loop.learn(kept)
        return self.quality(loop.policy)

    def stored(self, objective: Objective) -> dict[str, float]:
        """Learn from what the base sampled."""
        loop = self.loop(objective, self.base)
        for groups in [loop.sample(prompts) for prompts in self.turns()]:
            loop.learn(groups)
        return self.quality(loop.policy)

    def imitated(self, task: Demonstrator) -> dict[str, float]:
        """Learn from demonstrations, as many rows a step as others sample."""
        loop = self.loop(SFT(), self.base)
        for step in range(self.world.steps):
            drawn = rng(self.seed, "demonstrations", step).integers(len(self.train), size=self.world.rows)
            asked = [self.train[i] for i in drawn]
            loop.learn([[demonstration(self.base, p, task.demonstration(p))] for p in asked])
        return self.quality(loop.policy)

    def labels_steps(self) -> bool:
        """Whether the score gives every step a reward."""
        [[one]] = self.loop(KTO(), self.base).sampled(self.train[:1], 1)
        return one.reward_T is not None

    def quality(self, policy: Policy) -> dict[str, float]:
        """What the policy's samples for held-out prompts are like."""
        held_out = self.task.prompts("held-out")
        chosen = rng(self.seed, "evaluated").permutation(len(held_out))[: EVALUATED // 8]
        prompts = [held_out[i] for i in chosen]
        loop = self.loop(GRPO(), policy)
        return described(policy, prompts, loop.sampled(prompts, EVALUATED // len(prompts)))

    def shape(self) -> dict[str, float]:
        """Sizes that no arm changes."""
        longest = max(len(self.base.encode(prompt.text)) for prompt in self.train[:500])
        turns = self.task.max_turns if isinstance(self.task, Interactive) else 1
        return {"prompt_tokens": float(longest), "turns": float(turns)}


def best(groups: Groups) -> Groups:
    """The samples with the highest reward of their group, where that is more than nothing, each a row of its own."""
    tops = [max((t.reward or 0.0 for t in group), default=0.0) for group in groups]
    return [[t] for group, top in zip(groups, tops, strict=True) for t in group if top > 0 and t.reward == top]


def turned_round(groups: Groups, share: float, draws: np.random.Generator) -> Groups:
    """The samples, a share of their rewards r as 1 - r."""
    return [
        [t.replace(reward=1 - t.reward) if t.reward is not None and draws.random() < share else t for t in group]
        for group in groups
    ]


def described(policy: Policy, prompts: Sequence[Prompt], groups: Groups) -> dict[str, float]:
    """The metrics that the module names, of groups of samples."""
    every = [t for group in groups for t in group]
    right = [[policy.decode(t.completion_T) for t in group if (t.reward or 0.0) >= 1 - 1e-6] for group in groups]
    row = {
        "score": float(np.mean([quality_of(t) for t in every])),
        "reward": float(np.mean([t.reward or 0.0 for t in every])),
        "pass": float(np.mean([bool(said) for said in right])),
        "distinct": float(np.mean([len(set(said)) for said in right if said] or [0.0])),
        "cut": float(np.mean([t.finish == "length" for t in every])),
    }
    first = [t.reward_parts["first"] for t in every if "first" in t.reward_parts]
    if first:
        row["first"] = float(np.mean(first))
    flawless = [t.reward_parts["flawless"] for t in every if "flawless" in t.reward_parts and t.reward == 1]
    if flawless:
        row["flawless"] = float(np.mean(flawless))
    return row | by_domain(prompts, groups)


def by_domain(prompts: Sequence[Prompt], groups: Groups) -> dict[str, float]:
    """`score@d` for each domain, where there are several."""
    found: dict[object, list[float]] = {}
    for prompt, group in zip(prompts, groups, strict=True):
        found.setdefault(prompt.columns.get("domain"), []).extend(quality_of(t) for t in group)
    return {f"score@{d}": float(np.mean(of)) for d, of in found.items()} if len(found) > 1 else {}


def quality_of(trajectory: Trajectory) -> float:
    """The gold quality where it is known, else the reward."""
    return trajectory.reward_parts.get("gold", trajectory.reward or 0.0)
