"""Diversity at equal accuracy: how many distinct right answers trajectory balance and Dr. GRPO still give.

The world is `many-answers`: 37= has 36 right answers. A base model, made here once by imitation, spreads its answers
geometrically, and seven times in ten its sum is one too large; greedily it is nearly always wrong. Reward is 1 for any
right answer, so nothing asks a method to keep to a few. Dr. GRPO is on-policy, with its single-use queue, at the
learning rate of trajectory balance and at a third of it; trajectory balance draws from its buffer.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from steelyard.core import WarmupStableDecay
from steelyard.experiments.harness.claim import Judgement, stated
from steelyard.experiments.harness.curves import draw_curves
from steelyard.experiments.harness.run_index import by_seed
from steelyard.experiments.harness.run_metrics import SPENT, RunMetric
from steelyard.experiments.harness.section import Section
from steelyard.experiments.harness.study_base import Study, carry_out, grid, place
from steelyard.learner import Adam
from steelyard.objective import DrGRPO, VarGradTB
from steelyard.replay import PrioritizedReplay, SingleUse
from steelyard.report import RunRecords
from steelyard.runtime import HeldOut, Run, VirtualClock
from steelyard.worlds.bases.new_model import save_new
from steelyard.worlds.many_answers import ManyAnswers, base

LENGTH = 6
SAMPLES = 64
ENOUGH = 0.95
BALANCE = Run(
    task=ManyAnswers(),
    objective=VarGradTB(beta=0.1),
    model="",
    replay=PrioritizedReplay(recent_probability=0.5, warmup=128),
    runtime="inline",
    inline=VirtualClock(learn_cost=0.0),
    max_steps=300,
    learning_rate=3e-4,
    optimizer=Adam(schedule=WarmupStableDecay(warmup=10, stable=140, decay=150, floor=0.05)),
    num_prompts=16,
    num_generations=8,
    search_prompts=16,
    max_completion_length=LENGTH,
    save_steps=0,
    evaluation=HeldOut(every=30, prompts=64, sampled_prompts=64, samples=SAMPLES),
)
DR_GRPO = replace(BALANCE, objective=DrGRPO(max_length=LENGTH), replay=SingleUse(capacity=64))
ARMS = {
    "trajectory balance": BALANCE,
    "Dr. GRPO": DR_GRPO,
    "Dr. GRPO, a third of the rate": replace(DR_GRPO, learning_rate=1e-4),
}
KEYS = {"greedy": "eval/accuracy", "sampled": "eval/reward_mean", "distinct": "eval/distinct_correct"}
Found = Mapping[str, Mapping[int, RunRecords]]


def measure(study: Study) -> Mapping[str, object]:
    """Make the base model, run the arms, print the table, judge the claim."""
    root = place("diverse", study.output_dir)
    start = root / "_base"
    if not (start / "config.json").is_file():
        make_base(start)
    arms = {arm: replace(run, model=str(start)) for arm, run in ARMS.items()}
    runs = grid(arms, study.seeds, study.first_seed)
    return carry_out("diverse", runs, section, replace(study, output_dir=str(root)))


def make_base(directory: Path, *, steps: int = 1500) -> None:
    """Train the base model by imitation and write it to a directory; about a minute on one core."""
    save_new(base(ManyAnswers(), 0, steps), directory)


def section(root: Path) -> Section:
    """The table by arm, and the claim, from the runs in `root` alone."""
    found = by_seed(root, ARMS)
    first = next(iter(found["trajectory balance"].values()))
    samples = first.config["run"]["evaluation"]["samples"]
    steps = first.config["run"]["max_steps"]
    rows = [_row("base model", {0: first}, 0), *(_row(arm, runs, "met") for arm, runs in found.items())]
    rows += [_row(arm, runs, -1) for arm, runs in found.items()]
    return Section(
        "Diversity: distinct right answers at equal accuracy",
        f"`many-answers`, {steps} steps of 16 x 8. Of each held-out prompt {samples} samples are drawn at temperature "
        f"1, and distinct right ones counted prompt by prompt. 'at {ENOUGH:.0%}' is the first evaluation whose greedy "
        "accuracy is at least that. More of Dr. GRPO's samples may be right, which favours it. What keeps answers "
        "apart is the reference in the residual; RLOO on the KL-shaped reward has this gradient on its own samples.",
        ["", "when", "step", "greedy accuracy", "right samples", f"distinct right of {samples}", *SPENT],
        rows,
        _claims(found),
        draw=lambda path: draw_curves(path, {arm: list(r.values()) for arm, r in found.items()}, KEYS["distinct"]),
    )


def _met(run: RunRecords) -> int:
    """The place of the first evaluation that is accurate enough; the last one where there is none."""
    return next((i for i, row in enumerate(run.evals) if row[KEYS["greedy"]] >= ENOUGH), len(run.evals) - 1)


def _values(runs: Mapping[int, RunRecords], key: str, when: int | str) -> list[float]:
    return [float(run.evals[_met(run) if when == "met" else int(when)][key]) for run in runs.values()]


def _row(arm: str, runs: Mapping[int, RunRecords], when: int | str) -> list[str]:
    named = {"met": f"at {ENOUGH:.0%}", 0: "before", -1: "at the end"}[when]
    decimals = {"step": 0, KEYS["greedy"]: 3, KEYS["sampled"]: 3, KEYS["distinct"]: 1}
    cells = [RunMetric(lambda _: 0.0, d).write(_values(runs, key, when)) for key, d in decimals.items()]
    spent = [one.over(runs.values()) if when == -1 else "" for one in SPENT.values()]
    return [arm, named, *cells, *spent]


def _claims(found: Found) -> list[Judgement]:
    """More in every seed, at both times, than either Dr. GRPO, where all have the accuracy."""
    claims = []
    for when, text in (("met", f"when greedy accuracy first reaches {ENOUGH:.0%}"), (-1, "at the end")):
        own, accurate = (_values(found["trajectory balance"], KEYS[key], when) for key in ("distinct", "greedy"))
        others = {arm: _values(runs, KEYS["distinct"], when) for arm, runs in found.items() if arm.startswith("Dr")}
        most = [max(values) for values in zip(*others.values(), strict=True)]
        compared = ", ".join(f"{a:.1f} against {b:.1f}" for a, b in zip(own, most, strict=True))
        shown = min(accurate) >= ENOUGH and all(a > b for a, b in zip(own, most, strict=True))
        claims.append(stated(f"{text}, trajectory balance gives more distinct right answers", compared, shown))
    return claims
