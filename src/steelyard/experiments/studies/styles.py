"""Diversity: which ways of working out survive trajectory balance, and Dr. GRPO run four times past its 90 %."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from steelyard.core import PositiveInt, checked
from steelyard.experiments.harness.claim import stated
from steelyard.experiments.harness.curves import draw_curves
from steelyard.experiments.harness.run_index import by_seed
from steelyard.experiments.harness.run_metrics import SPENT, Read, RunMetric, final, steps_to
from steelyard.experiments.harness.section import Section
from steelyard.experiments.harness.study_base import Swept, carry_out, grid
from steelyard.objective import DrGRPO
from steelyard.recipes.arithmetic import RECIPE
from steelyard.replay import SingleUse
from steelyard.runtime import HeldOut, VirtualClock
from steelyard.task.arithmetic import STYLES

EVERY = 10


@checked()
@dataclass(frozen=True)
class Study(Swept):
    """Style shares of the correct answers at temperature 1."""

    seeds: PositiveInt = 3
    """Seeds 0, 1, ..."""
    steps: PositiveInt = 200
    """Learner steps of each run; Dr. GRPO passes 90 % within a quarter of it, which the table says."""


def measure(study: Study) -> Mapping[str, object]:
    """Run both methods, print the section."""
    base = replace(
        RECIPE,
        runtime="inline",
        max_steps=study.steps,
        inline=VirtualClock(),
        evaluation=HeldOut(every=EVERY, prompts=256, sampled_prompts=128),
    )
    arms = {method: replace(base, **changes) for method, changes in METHODS.items()}
    return carry_out("styles", grid(arms, study.seeds), section, study)


def section(root: Path) -> Section:
    """Styles by method, and the claim: trajectory balance keeps three of them alive."""
    found = by_seed(root, METHODS)
    rows = [[m, *(one.over(found[m].values()) for one in COLUMNS.values())] for m in METHODS]
    kept = [sum(_share(style)(run) > 0.05 for style in STYLES) for run in found["vargrad-tb"].values()]
    claim = stated(
        "trajectory balance keeps at least 3 styles above 5 % of the right answers in every seed",
        f"keeps {', '.join(map(str, kept))}",
        min(kept) >= 3,
    )
    paths = {m: list(found[m].values()) for m in METHODS}
    return Section(
        "Which ways of working out survive",
        TEXT,
        ["method", *COLUMNS],
        rows,
        [claim],
        draw=lambda path: draw_curves(path, paths, "eval/distinct_correct"),
    )


def _share(style: str) -> Read:
    return lambda run: float(run.evals[-1]["eval/correct_styles"].get(style, 0))


METHODS: Mapping[str, Mapping[str, object]] = {
    "vargrad-tb": {},
    "dr-grpo": {"objective": DrGRPO(max_length=20), "replay": SingleUse(capacity=64)},
}
COLUMNS = {
    "90 % at step": RunMetric(steps_to("eval/accuracy", 0.9), 0),
    "accuracy": RunMetric(final("eval/accuracy")),
    **{style: RunMetric(_share(style), 2) for style in STYLES},
    **SPENT,
}
TEXT = """\
Shares of the right answers by the way they were worked out, at temperature 1 after the last step, and the step of the
first evaluation at 90 % greedy accuracy. Both methods make the same steps, and several times as many as 90 % takes. The
share of "bare" is that of guesses that were right."""
