"""STAT-Sel on codes of eight alphabets, six of them known: better than plain training on the same questions.

A base model knows six codes and is shown the other two right half of the time or less, else with a habit. Each arm
fine-tunes it on right answers to as many questions of one pool, where all alphabets are alike: drawn as they lie (sft),
or by the skills that its answers to validation questions miss (stat), where the skill of a question is its alphabet. So
plain training spends three questions of four on what is known: the saturation of which the paper speaks. The control is
STAT whose every question counts as easy, so that its profile stays empty, with other draws. A fine-tuning has only 32
questions, and which they are matters more than the arm: each arm is tuned eight times.

Half of the held-out questions are for validation, the other half measure. `accuracy` is the share of greedy answers
that are right at the end, all alphabets alike, `missing` that of the two unknown codes, `known` that of the others.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from steelyard.core import Prompt, Trajectory, derive
from steelyard.curriculum import STAT
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.learner import Adam, Learner, demonstration
from steelyard.objective import SFT
from steelyard.policy import Policy
from steelyard.pretrain.drawn_rows import DrawnRows
from steelyard.pretrain.stat_tuning import told_answers
from steelyard.worlds.habits import Habits, base
from steelyard.worlds.sync_loop import copied, moved

LENGTH = 5
"""Most tokens of an answer, its end included."""
MISSING = 2
"""Alphabets whose codes the base model does not know: the last ones."""
NONE_IS_DIFFICULT = -1.0
ARMS = {
    "sft": STAT(threshold=NONE_IS_DIFFICULT),
    "stat": STAT(round_size=64),
    "stat-off": STAT(threshold=NONE_IS_DIFFICULT, round_size=64),
}


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    world: Habits
    """Its shares say how often the base model is shown the right sign, for each alphabet."""
    steps: int = 8
    rows: int = 4
    """Questions in a step."""
    repeats: int = 8
    """Fine-tunings of an arm, each with other draws: figures are their means."""
    lessons: int = 1000
    """Steps of the base model."""


WORLD = Habits(shares=(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.4))


def right(policy: Policy, rows: Sequence[Trajectory], prompts: Sequence[Prompt]) -> Mapping[str, float]:
    """The share of greedy answers that are right."""
    answered = [t.reward or 0.0 for t in told_answers(policy, rows, LENGTH)]
    domain_N = np.array([prompt.columns["domain"] for prompt in prompts])
    of_D = np.array([np.mean(np.array(answered)[domain_N == domain]) for domain in sorted({*domain_N.tolist()})])
    return {
        "accuracy": float(of_D.mean()),
        "missing": float(of_D[-MISSING:].mean()),
        "known": float(of_D[:-MISSING].mean()),
    }


def measure(seed: int, setting: Setting, arms: Iterable[Arm[STAT]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The base model, then fine-tuning of it on what each arm draws."""
    task = replace(setting.world, data_seed=seed)
    start = base(task, seed, setting.lessons)
    train = task.prompts("train")
    held_out = task.prompts("held-out")
    told, tested = held_out[::2], held_out[1::2]
    rows, validation, tests = (
        [demonstration(start, prompt, task.demonstration(prompt)) for prompt in some] for some in (train, told, tested)
    )
    before = right(start, tests, tested)["accuracy"]

    def tuned(arm: Arm[STAT], number: int) -> dict[str, float]:
        learner = Learner(copied(start), SFT(), Adam(beta2=0.98), learning_rate=arm.rate)
        draws = arm.settings.open(train, derive(seed, "arm", arm.name, number), told)
        groups_at = DrawnRows(draws, rows, setting.rows, partial(told_answers, learner.policy, validation, LENGTH))
        tokens = 0
        for step in range(setting.steps):
            groups = groups_at(step)
            learner.step(groups)
            tokens += sum(len(t.tokens_T) for group in groups for t in group)
        scale = {"moved": moved(start, learner.policy), "tokens": float(tokens)}
        return {**right(learner.policy, tests, tested), **scale}

    for arm in arms:
        runs = [tuned(arm, number) for number in range(setting.repeats)]
        means = {name: float(np.mean([run[name] for run in runs])) for name in runs[0]}
        yield arm.name, {**means, "before": before, "parameters": float(start.num_parameters())}


PROOF = Proof(
    proves=("stat",),
    ours="stat",
    control="stat-off",
    equal="the base model, the questions, questions in a step, steps, objective and optimizer",
    claims=(
        Claim("It is 5 points better than plain training on as many of the same questions, all alphabets alike",
              "accuracy", "sft", 0.05),
        Claim("On the two codes that the model missed it is 15 points better", "missing", "sft", 0.15),
        Claim("What the model knew is not worse by 5 points", "known", "sft", -0.05),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(WORLD),
    quick=Setting(WORLD, repeats=2),
    rates=dict.fromkeys(ARMS, 2e-3),
    seeds=9,
)  # fmt: skip
