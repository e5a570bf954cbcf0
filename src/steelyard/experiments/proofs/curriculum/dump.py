"""DUMP on codes of six alphabets: an accuracy in fewer samples than a uniform mixture, and the hardest codes better.

A small base model is shown four codes right, or nearly so, and two half of the time or less, else with a habit, which
GRPO undoes. This favours a curriculum: the domains share no sign. Where all were one skill DUMP gained nothing, and
where they shared signs it forgot the easy ones. All arms draw as many prompts, 8 samples each; the baseline draws the
domains alike. The control is the same with other draws: DUMP with tau = infinity, told everything and heeding nothing.

Accuracy is the mean reward of samples on held-out prompts, domain by domain, and the mean of those. `samples`: drawn
until the mean accuracy of two evaluations in a row is at least TARGET, or all that there were. `hardest`: that of the
two hardest domains, over the last quarter of the evaluations; `easiest` that of the others, `accuracy` that of all.
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
EVERY = 5
MEASURED = 72
TARGET = 0.85
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
    prompts: int = 18
    """Drawn for each step."""


WORLD = Habits(shares=(1.0, 1.0, 1.0, 0.95, 0.5, 0.4))


def grouped(prompts: Sequence[Prompt]) -> dict[int, list[Prompt]]:
    """The prompts by domain."""
    found: dict[int, list[Prompt]] = {}
    for prompt in prompts:
        found.setdefault(prompt.columns["domain"], []).append(prompt)
    return found


def accuracies(loop: SyncLoop) -> Float64[np.ndarray, "D"]:
    """The mean reward of at least 72 samples of each domain's held-out prompts."""
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
    mean_E = curve_ED.mean(1)
    last = curve_ED[-len(curve) // 4 :]
    reached = np.flatnonzero((mean_E[1:] + mean_E[:-1]) / 2 >= TARGET)
    evaluations = reached[0] + 2 if len(reached) else len(curve)
    return {
        "samples": float(evaluations * EVERY * setting.prompts * SAMPLES),
        "hardest": float(last[:, -2:].mean()),
        "easiest": float(last[:, :-2].mean()),
        "accuracy": float(last.mean()),
        "moved": loop.moved,
        **loop.scale,
    }


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Dump]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The base model, then GRPO on it with each curriculum."""
    task = replace(setting.world, data_seed=seed)
    start = base(task, seed)
    for arm in arms:
        loop = SyncLoop(start, task, GRPO(), learning_rate=arm.rate, seed=seed, num_generations=SAMPLES, max_tokens=5)
        curriculum = arm.settings.open(task.prompts("train"), derive(seed, "arm", arm.name))
        yield arm.name, train(loop, curriculum, setting)


PROOF = Proof(
    proves=("dump",),
    ours="dump", control="dump-off",
    equal="the base model, GRPO and its settings, learner steps, prompts in a step and samples of each",
    claims=(
        Claim("DUMP reaches a mean accuracy of 0.85 in 20 % fewer samples than a uniform mixture", "samples",
              baseline="uniform", min_effect=0.2, lower_is_better=True, relative=True),
        Claim("DUMP ends 5 points higher on the two hardest domains", "hardest", baseline="uniform", min_effect=0.05),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(WORLD),
    quick=Setting(WORLD, steps=20),
    rates=dict.fromkeys(ARMS, 5e-4),
)  # fmt: skip
