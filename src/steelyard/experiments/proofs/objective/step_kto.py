"""Step-KTO against outcome-only KTO on chains of sums, where two wrong steps may cancel.

A fresh model imitates chains in which each step is guessed four times in ten, a guess being five off: half of its
answers are right, and most of these have wrong steps. Then each arm learns by its objective from samples of its own,
the first batch being the same for all: `kto` from the last digit, `step-kto` from that and a rule's label for every
step, and the control `step-kto-off` is Step-KTO with blank labels. `base` is the model before. Measured on held-out
problems by sampling: `accuracy`; `flawed`, the share of right answers with a wrong step; `wrong_steps` per chain.
At a learning rate of 1e-3 KTO may collapse. This is early in training: with twice the steps KTO gives up guessing too,
since chains without guesses are right more surely.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from steelyard.core import Trajectory, rng
from steelyard.experiments.harness import Arm, Claim, Proof, share
from steelyard.objective import KTO, Objective, StepKTO
from steelyard.worlds.checkable_steps import STEPS, CheckableSteps, base
from steelyard.worlds.sync_loop import SyncLoop

TASK = CheckableSteps()
"""2000 problems to train on, 200 held out."""


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    imitation: int = 600
    """Steps of the base model."""
    steps: int = 32
    samples: int = 8
    """Of each held-out problem."""


@dataclass(frozen=True)
class Labelled:
    """What an arm learns by."""

    objective: Objective | None
    """None for the model before."""
    blank: bool = False
    """No step is labelled."""


ARMS = {
    "base": Labelled(None),
    "kto": Labelled(KTO()),
    "step-kto": Labelled(StepKTO()),
    "step-kto-off": Labelled(StepKTO(), blank=True),
}


def blank(groups: Sequence[Sequence[Trajectory]]) -> list[list[Trajectory]]:
    """The same samples, with no step labelled."""
    return [[t.replace(reward_T=np.zeros(len(t.tokens_T), np.float32)) for t in group] for group in groups]


def described(groups: Sequence[Sequence[Trajectory]]) -> dict[str, float]:
    """What is measured, on samples of held-out problems."""
    samples = [t for group in groups for t in group]
    right = [t.reward_parts["flawless"] for t in samples if t.reward == 1]
    flawed = share("flawed", sum(flawless < 1 for flawless in right), len(right)) if right else {"flawed": 1.0}
    return {
        "accuracy": len(right) / len(samples),
        **flawed,
        "wrong_steps": float(np.mean([t.reward_parts.get("wrong_steps", STEPS) for t in samples])),
    }


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Labelled]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Every arm of a seed, from one base model."""
    policy = base(TASK, seed, setting.imitation)
    train = TASK.prompts("train")
    order = rng(seed, "order").permutation(TASK.problems)
    for arm in arms:
        objective = arm.settings.objective
        loop = SyncLoop(policy, TASK, objective or KTO(), learning_rate=arm.rate, seed=seed, max_tokens=3 * STEPS + 1)
        for turn in order.reshape(-1, 25)[: setting.steps if objective else 0]:
            groups = loop.sample([train[i] for i in turn])
            loop.learn(blank(groups) if arm.settings.blank else groups)
        found = loop.sampled(TASK.prompts("held-out"), setting.samples)
        yield arm.name, described(found) | {"moved": loop.moved, **loop.scale}


PROOF = Proof(
    proves=("step-kto",),
    ours="step-kto",
    control="step-kto-off",
    equal="the base model, 32 steps on the same 25 problems with 8 fresh samples; rates: each its best of three",
    claims=(
        Claim("right answers with a wrong step: a fifth fewer than KTO", "flawed", "kto", 0.2,
              lower_is_better=True, relative=True),
        Claim("accuracy not more than 2 points below KTO's", "accuracy", "kto", -0.02),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(imitation=400, steps=16, samples=4),
    rates=dict.fromkeys(ARMS, 6e-4),
    first_seed=10,
    seeds=10,
)  # fmt: skip
