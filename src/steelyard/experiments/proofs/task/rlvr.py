"""The three stages of Tulu 3 on codes of several alphabets: what each adds to the one before it.

The world is `habits`: a base model knows some codes and has wrong habits in others. Stages, each from the model of the
one before: `sft` imitates a few demonstrations; `dpo` learns, length-normalised, from pairs that its model of the start
has sampled, every right completion of a prompt with every wrong one; `rlvr` learns by PPO from fresh samples and a
verifier.
`sft-on` and `dpo-on` do the first or the second stage again from its own model, the latter with pairs of that model;
`rlvr-early` does the last from the model of the first. In `dpo-off` a coin says who is chosen, in `rlvr-off` a step's
rewards are dealt out anew. Measured on held-out problems by samples: `accuracy`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np

from steelyard.core import Trajectory, rng
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.learner import demonstration
from steelyard.objective import DPO, PPO, SFT, Objective
from steelyard.policy import Policy
from steelyard.task import RLVR
from steelyard.worlds.habits import Habits, base
from steelyard.worlds.sync_loop import SyncLoop

Groups = list[list[Trajectory]]
OBJECTIVES: Mapping[str, Objective] = {
    "sft": SFT(),
    "dpo": DPO(beta=5.0, length_normalised=True),
    "rlvr": PPO(beta=0.05),
}
MAX_TOKENS = 5
UNUSED = 1.0
"""A learning rate where nothing is learned."""


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    shown: int = 48
    """Demonstrations that there are."""
    sft: int = 16
    """Steps of a stage; of the next two likewise."""
    dpo: int = 24
    rlvr: int = 32
    rows: int = 128
    """Completions in a step."""


@dataclass(frozen=True)
class Course:
    """What an arm does, and where it begins."""

    after: str = ""
    """The arm whose model it begins with; empty for the base model."""
    stage: str = ""
    """What it does; empty for nothing."""
    coin: bool = False
    """What is right is drawn by lot."""


ARMS = {
    "base": Course(),
    "sft": Course("", "sft"),
    "dpo": Course("sft", "dpo"),
    "rlvr": Course("dpo", "rlvr"),
    "sft-on": Course("sft", "sft"),
    "dpo-on": Course("dpo", "dpo"),
    "rlvr-early": Course("sft", "rlvr"),
    "dpo-off": Course("sft", "dpo", coin=True),
    "rlvr-off": Course("dpo", "rlvr", coin=True),
}
RATES = {"sft": 5e-4, "dpo": 5e-4, "rlvr": 5e-4}
"""Of each stage, in every arm: the best of 2.5e-4, 5e-4 and 1e-3 for preference tuning, which 1e-3 sets back."""


def imitate(loop: SyncLoop, setting: Setting, seed: int, steps: int) -> None:
    """Learn from the few demonstrations."""
    world = loop.task
    assert isinstance(world, Habits)
    prompts = world.prompts("train")
    chosen = rng(seed, "shown").permutation(len(prompts))[: setting.shown]
    given = [demonstration(loop.policy, prompts[i], world.demonstration(prompts[i])) for i in chosen]
    draws = rng(seed, "sft")
    for _ in range(steps):
        loop.learn([[given[i]] for i in draws.integers(len(given), size=setting.rows)])


def pairs_of(groups: Groups, coin: np.random.Generator | None) -> list[Groups]:
    """For each prompt that has both, every pair of a right and a wrong sample; by lot, where there is a coin."""
    found: list[Groups] = []
    for group in groups:
        right = [t for t in group if t.reward == 1]
        wrong = [t for t in group if t.reward == 0]
        if right and wrong:
            found.append([by_lot(pair, coin) if coin else list(pair) for pair in product(right, wrong)])
    return found


def by_lot(pair: Sequence[Trajectory], coin: np.random.Generator) -> list[Trajectory]:
    """The pair as it is, or with the other one chosen."""
    if coin.random() < 0.5:
        return [t.replace(reward=1.0 - (t.reward or 0.0)) for t in pair]
    return list(pair)


def prefer(loop: SyncLoop, setting: Setting, seed: int, steps: int, *, coin: bool) -> None:
    """Learn from pairs that were sampled before the first step."""
    groups = loop.sample(loop.task.prompts("train"))
    pairs = pairs_of(groups, rng(seed, "coin") if coin else None)
    draws = rng(seed, "dpo")
    for _ in range(steps if pairs else 0):
        chosen = draws.integers(len(pairs), size=setting.rows // 2)
        loop.learn([pairs[i][draws.integers(len(pairs[i]))] for i in chosen])


def dealt_anew(groups: Groups, draws: np.random.Generator) -> Groups:
    """The same samples with the rewards of the step in another order."""
    rewards = iter(draws.permutation([t.reward or 0.0 for group in groups for t in group]).tolist())
    return [[t.replace(reward=next(rewards)) for t in group] for group in groups]


def verify(loop: SyncLoop, setting: Setting, seed: int, steps: int, *, coin: bool) -> None:
    """Learn from fresh samples and a verifier."""
    prompts = loop.task.prompts("train")
    number = setting.rows // loop.num_generations
    order = rng(seed, "rlvr")
    draws = rng(seed, "anew")
    for _ in range(steps):
        groups = loop.sample([prompts[i] for i in order.choice(len(prompts), number, replace=False)])
        loop.learn(dealt_anew(groups, draws) if coin else groups)


def carried_out(course: Course, start: Policy, world: Habits, setting: Setting, seed: int, rate: float) -> SyncLoop:
    """The loop after an arm's stage."""
    objective = OBJECTIVES.get(course.stage, SFT())
    task = RLVR(task=world) if course.stage == "rlvr" else world
    loop = SyncLoop(start, task, objective, learning_rate=rate or UNUSED, seed=seed, max_tokens=MAX_TOKENS)
    if course.stage == "sft":
        imitate(loop, setting, seed, setting.sft)
    elif course.stage == "dpo":
        prefer(loop, setting, seed, setting.dpo, coin=course.coin)
    elif course.stage == "rlvr":
        verify(loop, setting, seed, setting.rlvr, coin=course.coin)
    return loop


def accuracy(policy: Policy, world: Habits, seed: int) -> float:
    """The share of right samples of held-out problems."""
    loop = SyncLoop(policy, world, SFT(), learning_rate=UNUSED, seed=seed, max_tokens=MAX_TOKENS)
    groups: Sequence[Sequence[Trajectory]] = loop.sampled(world.prompts("held-out"), 4)
    return float(np.mean([t.reward or 0.0 for group in groups for t in group]))


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Course]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Every arm, from the models of the arms that it comes after; these are made once, at the proof's own rates."""
    world = Habits(data_seed=seed)

    @cache
    def reached(name: str) -> Policy:
        if not name:
            return base(world, seed)
        course = ARMS[name]
        return carried_out(course, reached(course.after), world, setting, seed, RATES[course.stage]).policy

    for arm in arms:
        start = reached(arm.settings.after)
        loop = carried_out(arm.settings, start, world, setting, seed, arm.rate)
        yield arm.name, {"accuracy": accuracy(loop.policy, world, seed), "moved": loop.moved, **loop.scale}


PROOF = Proof(
    proves=("rlvr",),
    ours="rlvr",
    control="rlvr-off",
    equal="the base model, the 48 demonstrations, 128 completions in every step; each stage has one rate in all arms",
    claims=(
        Claim("preference tuning adds 3 points to supervised tuning", "accuracy", "sft", 0.03, ours="dpo",
              control="dpo-off"),
        Claim("RLVR adds 3 points to preference tuning", "accuracy", "dpo", 0.03),
        Claim("RLVR adds more than a second round of preference tuning", "accuracy", "dpo-on", 0.0),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(sft=8, dpo=12, rlvr=12),
    rates={name: RATES[course.stage] for name, course in ARMS.items() if course.stage},
    first_seed=42,
    seeds=12,
)  # fmt: skip
