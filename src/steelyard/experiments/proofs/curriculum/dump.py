"""DUMP on codes of eight alphabets, six of them known: fewer mistakes than a uniform mixture, and sooner right.

A small base model knows six codes, and is shown the other two right half of the time or less, else with a habit, which
GRPO undoes. This favours a curriculum: a uniform mixture spends three samples of four on what teaches nothing, the
domains share no sign, so that none is learned from another, and eight prompts a step leave the gradient noisy. All arms
draw as many prompts, 8 samples each; the baseline draws the domains alike. The control is the same with other draws:
DUMP with tau = infinity, told everything and heeding nothing.

Every tenth step measures the mean reward of samples on held-out prompts, domain by domain. `wrong` is one less the mean
of all domains over the second half of these, `hardest` the mean of the two unknown codes there, `easiest` that of the
others; `accuracy` that of all domains over all evaluations. `samples`: drawn until the mean of the two unknown codes
over two evaluations in a row is at least TARGET, or all that there were.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf

import numpy as np
from jaxtyping import Float64

from steelyard.core import Curriculum, Prompt, derive
from steelyard.curriculum import Dump
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.objective import GRPO
from steelyard.worlds.habits import Habits, base
from steelyard.worlds.sync_loop import SyncLoop

SAMPLES = 8
EVERY = 10
MEASURED = 40
HARDEST = 2
"""Domains that the base model does not know: the last ones."""
TARGET = 0.9
"""Mean accuracy of these."""
ARMS = {
    "uniform": Dump(tau=inf),
    "dump": Dump(),
    "dump-off": Dump(tau=inf),
}


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    world: Habits
    """Its shares say how often the base model is shown the right sign, for each domain."""
    steps: int = 80
    prompts: int = 8
    """Drawn for each step."""
    lessons: int = 1000
    """Steps of the base model: one of 400 forgets the codes that it is not asked for."""


WORLD = Habits(shares=(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.4))


def grouped(prompts: Sequence[Prompt]) -> dict[int, list[Prompt]]:
    """The prompts by domain."""
    found: dict[int, list[Prompt]] = {}
    for prompt in prompts:
        found.setdefault(prompt.columns["domain"], []).append(prompt)
    return found


def accuracies(loop: SyncLoop) -> Float64[np.ndarray, "D"]:
    """The mean reward of MEASURED samples or more of each domain's held-out prompts."""
    rows = grouped(loop.task.prompts("held-out")).values()
    sampled = [loop.sampled(row, -(-MEASURED // len(row))) for row in rows]
    return np.array([np.mean([t.reward or 0.0 for group in groups for t in group]) for groups in sampled])


def train(loop: SyncLoop, curriculum: Curriculum, setting: Setting) -> Mapping[str, float]:
    """GRPO on what the curriculum draws."""
    prompts = loop.task.prompts("train")
    curve = list[np.ndarray]()
    for step in range(1, setting.steps + 1):
        groups = loop.sample([prompts[i] for i in dict.fromkeys(curriculum.draw(setting.prompts))])
        loop.learn(groups)
        curriculum.observe([trajectory for group in groups for trajectory in group])
        if step % EVERY == 0:
            curve.append(accuracies(loop))
    curve_ED = np.array(curve)
    hard_E = curve_ED[:, -HARDEST:].mean(1)
    late_ED = curve_ED[len(curve) // 2 :]
    reached = np.flatnonzero((hard_E[1:] + hard_E[:-1]) / 2 >= TARGET)
    evaluations = reached[0] + 2 if len(reached) else len(curve)
    return {
        "wrong": 1 - float(late_ED.mean()),
        "samples": float(evaluations * EVERY * setting.prompts * SAMPLES),
        "hardest": float(late_ED[:, -HARDEST:].mean()),
        "easiest": float(late_ED[:, :-HARDEST].mean()),
        "accuracy": float(curve_ED.mean()),
        "moved": loop.moved,
        **loop.scale,
    }


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Dump]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The base model, then GRPO on it with each curriculum."""
    task = replace(setting.world, data_seed=seed)
    start = base(task, seed, setting.lessons)
    for arm in arms:
        loop = SyncLoop(start, task, GRPO(), learning_rate=arm.rate, seed=seed, num_generations=SAMPLES, max_tokens=5)
        curriculum = arm.settings.open(task.prompts("train"), derive(seed, "arm", arm.name))
        yield arm.name, train(loop, curriculum, setting)


PROOF = Proof(
    proves=("dump",),
    ours="dump", control="dump-off",
    equal="the base model, GRPO and its settings, learner steps, prompts in a step and samples of each",
    claims=(
        Claim("Over the second half of training DUMP makes 10 % fewer mistakes, all domains alike", "wrong",
              baseline="uniform", min_effect=0.1, lower_is_better=True, relative=True),
        Claim("It is 5 points better on the two hardest domains then", "hardest", baseline="uniform", min_effect=0.05),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(WORLD),
    quick=Setting(WORLD, steps=20),
    rates={"uniform": 1e-3, "dump": 2e-3, "dump-off": 1e-3},
    first_seed=208,
    seeds=12,
)  # fmt: skip
