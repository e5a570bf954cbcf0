"""One setting of a recipe, swept: the engine behind every `steelyard study ablation-...`.

An ablation is a grid (arm -> `Run`), what is measured of each run, and what the paper found. Whether that was found
here too is computed, by paired seeds:

    effect_s = measure(arm, seed s) - measure(other arm, seed s)

A difference counts where the median of effect_s has the size that the finding names and every effect_s the same sign.
A smaller median is no difference; a large one over seeds that disagree is unclear, and shows nothing.
Source of the findings: Bartoldson et al. 2025, arXiv:2503.18929; in words alone where a figure gives no numbers.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from steelyard.core import require
from steelyard.experiments.harness.curves import Points, draw_curves
from steelyard.experiments.harness.measures import SPENT, Measure, final, late, lowest, steps_to, summed_up
from steelyard.experiments.harness.run_index import by_seed
from steelyard.experiments.harness.section import Claimed, Section
from steelyard.experiments.harness.study_base import Study, carry_out, grid
from steelyard.report import RunRecords
from steelyard.runtime import Run

ARITHMETIC = {
    "late accuracy": Measure(late("eval/accuracy")),
    "lowest late": Measure(late("eval/accuracy", min)),
    "at the end": Measure(final("eval/accuracy")),
    "90 % at step": Measure(steps_to("eval/accuracy", 0.9), 0),
    "distinct right answers of 8": Measure(final("eval/distinct_correct"), 2),
    "staleness": Measure(summed_up("staleness_mean"), 1),
    **SPENT,
}
ENUMERABLE = {
    "total variation at the end": Measure(final("eval/total_variation")),
    "late mean": Measure(late("eval/total_variation")),
    "lowest": Measure(lowest("eval/total_variation")),
    "staleness": Measure(summed_up("staleness_mean"), 1),
    **SPENT,
}
Found = Mapping[str, Mapping[int, RunRecords]]
"""Arm -> seed -> records."""
Outcome = Literal["more than", "less than", "as much as", "unclear"]
Says = Literal["more than", "less than", "as much as", "no more than"]
DIFFERS = {
    "more than": "differs: more here",
    "less than": "differs: less here",
    "as much as": "differs: no difference here",
    "unclear": "unclear: the seeds disagree",
}


@dataclass(frozen=True)
class Finding:
    """What the paper found, as a comparison of two arms that can come out otherwise."""

    paper: str
    """In words, with its numbers and the task that they are from."""
    arm: str
    says: Says
    other: str
    measure: str
    """Which of the ablation's measures."""
    by: float
    """The least difference that counts, in that measure's unit."""

    def judge(self, found: Found, measure: Measure) -> tuple[str, str]:
        """What was measured, and `agrees`, or how it differs, or `unclear`."""
        arm, other = ([measure.read(run) for run in found[name].values()] for name in (self.arm, self.other))
        here, effects = compare(arm, other, self.by)
        spread = ", ".join(f"{effect:+.3f}" for effect in (min(effects), max(effects)))
        measured = f"difference {statistics.median(effects):+.3f} [{spread}]"
        agrees = here == self.says or (self.says == "no more than" and here in ("less than", "as much as"))
        return measured, "agrees" if agrees else DIFFERS[here]


def compare(arm: Sequence[float], other: Sequence[float], by: float) -> tuple[Outcome, list[float]]:
    """How one arm comes out beside another, and its effect in each seed; the seeds of both in one order."""
    effects = [a - b if a != b else 0.0 for a, b in zip(arm, other, strict=True)]  # never less never is nothing
    middle = statistics.median(effects)
    if abs(middle) < by:
        return "as much as", effects
    if min(effects) > 0 or max(effects) < 0:
        return "more than" if middle > 0 else "less than", effects
    return "unclear", effects


@dataclass(frozen=True)
class Ablation:
    """One sweep; `measure` and `section` are those of a study."""

    name: str
    """Of the study."""
    title: str
    text: str
    """The conditions, and why the setting can matter in them."""
    factor: str
    """What changes from arm to arm."""
    arms: Mapping[str, Run]
    findings: Sequence[Finding]
    measures: Mapping[str, Measure] = field(default_factory=lambda: ARITHMETIC)
    """Columns of the table; the first is drawn by arm."""
    curve: str = "eval/accuracy"
    """What is drawn over steps."""

    def __post_init__(self) -> None:
        for finding in self.findings:
            known = {finding.arm, finding.other} <= {*self.arms} and finding.measure in self.measures
            require(known, f"compares what is not there: {finding}", where=self.name, hint="name arms and a measure")

    def measure(self, study: Study) -> dict[str, Any]:
        """Run the grid, print the section."""
        return carry_out(self.name, grid(self.arms, study.seeds, study.first_seed), self.section, study)

    def section(self, root: Path) -> Section:
        """The table by arm, and each finding of the paper with its fate here."""
        found = by_seed(root, self.arms)
        rows = [[arm, *(one.over(found[arm].values()) for one in self.measures.values())] for arm in self.arms]
        fates = [finding.judge(found, self.measures[finding.measure]) for finding in self.findings]
        claims = [
            Claimed(f"as in the paper, {_claim(f)}", measured, fate == "agrees")
            for f, (measured, fate) in zip(self.findings, fates, strict=True)
        ]
        paper = [[f.paper, fate] for f, (_, fate) in zip(self.findings, fates, strict=True)]
        first, measure = next(iter(self.measures.items()))
        points = {arm: [measure.read(run) for run in runs.values()] for arm, runs in found.items()}
        arms = {arm: list(runs.values()) for arm, runs in found.items()}
        return Section(
            self.title,
            self.text,
            [self.factor, *self.measures],
            rows,
            claims,
            [["the paper", "here"], *paper],
            lambda path: draw_curves(path, arms, self.curve, points=Points(points, first, self.factor)),
        )


def _claim(finding: Finding) -> str:
    return f"{finding.measure}: at {finding.arm} {finding.says} at {finding.other} (by {finding.by:g} or more counts)"
