"""One setting of a recipe, swept: the engine behind every `steelyard study ablation-...`.

An ablation is a grid (arm -> `Run`), metrics of each run, and what the paper found. That it is so here too is a claim
on paired seeds:

    effect_s = metric(arm, seed s) - metric(other arm, seed s)

A difference counts where the median of effect_s has the size that the finding names and every effect_s the same sign.
A smaller median is no difference; a large one over seeds that disagree is unclear, and shows nothing.
Source of the findings: Bartoldson et al. 2025, arXiv:2503.18929; in words alone where a figure gives no numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from steelyard.core import require
from steelyard.experiments.harness.claim import Claim, Judged, Judgement, Says, SeedsAgree, compare, judge
from steelyard.experiments.harness.curves import Points, draw_curves
from steelyard.experiments.harness.metric import ArmMetrics
from steelyard.experiments.harness.run_index import by_seed
from steelyard.experiments.harness.run_metrics import SPENT, RunMetric, final, late, lowest, steps_to, summed_up
from steelyard.experiments.harness.section import Section
from steelyard.experiments.harness.spread import fixed, spread
from steelyard.experiments.harness.study_base import Study, carry_out, grid
from steelyard.report import RunRecords
from steelyard.runtime import Run

ARITHMETIC = {
    "late accuracy": RunMetric(late("eval/accuracy")),
    "lowest late": RunMetric(late("eval/accuracy", min)),
    "at the end": RunMetric(final("eval/accuracy")),
    "90 % at step": RunMetric(steps_to("eval/accuracy", 0.9), 0),
    "distinct right answers of 8": RunMetric(final("eval/distinct_correct"), 2),
    "staleness": RunMetric(summed_up("staleness_mean"), 1),
    **SPENT,
}
ENUMERABLE = {
    "total variation at the end": RunMetric(final("eval/total_variation")),
    "late mean": RunMetric(late("eval/total_variation")),
    "lowest": RunMetric(lowest("eval/total_variation")),
    "staleness": RunMetric(summed_up("staleness_mean"), 1),
    **SPENT,
}
RunsBySeed = Mapping[str, Mapping[int, RunRecords]]
"""Arm -> seed -> records."""
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
    metric: str
    """Which of the ablation's metrics."""
    min_effect: float
    """The least difference that counts, in that metric's unit."""

    @property
    def claim(self) -> Claim:
        """That it is so here too."""
        text = f"as in the paper, {self.metric}: at {self.arm} {self.says} at {self.other}"
        counts = f" (by {self.min_effect:g} or more counts)"
        rule = SeedsAgree(self.says)
        return Claim(text + counts, self.metric, self.other, self.min_effect, ours=self.arm, rule=rule)


def fate_of(judged: Judged) -> str:
    """What became of a finding: `agrees`, or how it differs, or `unclear`."""
    return "agrees" if judged.verdict == "shown" else DIFFERS[compare(judged.effect, judged.claim.min_effect)]


def told(judged: Judged) -> Judgement:
    """A finding with what was measured."""
    measured = f"difference {spread(judged.effect, fixed(3, signed=True))}"
    return Judgement(judged.claim.text, measured, judged.verdict)


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
    metrics: Mapping[str, RunMetric] = field(default_factory=lambda: ARITHMETIC)
    """Columns of the table; the first is drawn by arm."""
    curve: str = "eval/accuracy"
    """What is drawn over steps."""

    def __post_init__(self) -> None:
        for finding in self.findings:
            known = {finding.arm, finding.other} <= {*self.arms} and finding.metric in self.metrics
            require(known, f"compares what is not there: {finding}", where=self.name, hint="name arms and a metric")

    def measure(self, study: Study) -> Mapping[str, object]:
        """Run the grid, print the section."""
        return carry_out(self.name, grid(self.arms, study.seeds, study.first_seed), self.section, study)

    def section(self, root: Path) -> Section:
        """The table by arm, and each finding of the paper with its fate here."""
        found = by_seed(root, self.arms)
        rows = [[arm, *(one.over(found[arm].values()) for one in self.metrics.values())] for arm in self.arms]
        seeds = self.measured(found)
        judged = [judge(finding.claim, seeds) for finding in self.findings]
        paper = [[f.paper, fate_of(one)] for f, one in zip(self.findings, judged, strict=True)]
        first, metric = next(iter(self.metrics.items()))
        points = {arm: [metric.read(run) for run in runs.values()] for arm, runs in found.items()}
        arms = {arm: list(runs.values()) for arm, runs in found.items()}
        return Section(
            self.title,
            self.text,
            [self.factor, *self.metrics],
            rows,
            [told(one) for one in judged],
            [["the paper", "here"], *paper],
            lambda path: draw_curves(path, arms, self.curve, points=Points(points, first, self.factor)),
        )

    def measured(self, found: RunsBySeed) -> dict[int, ArmMetrics]:
        """The metrics of every run, by seed and arm."""
        seeds = next(iter(found.values()))
        return {
            seed: {
                arm: {name: one.read(runs[seed]) for name, one in self.metrics.items()} for arm, runs in found.items()
            }
            for seed in seeds
        }
