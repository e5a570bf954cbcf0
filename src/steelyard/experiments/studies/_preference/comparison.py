"""The preference studies: gold win rate against KL by method and lag, read from runs, and the claims on it.

Every method tunes the same writer on the same learned reward model, from as many samples (16 x 8 = 64 x 2 a step), on
weights exactly `lag` versions old (inline, synchronous clock). Where it has a beta, that falls alike, so the target is
the same. What it is judged by is the gold reward, which no method sees; win rates are against the writer that all began
from. Source of the claim: Bartoldson et al. 2025, arXiv:2503.18929, Table 3.
"""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from steelyard.core import PositiveInt, checked
from steelyard.experiments.harness import study_base
from steelyard.experiments.harness.claim import Judgement, stated
from steelyard.experiments.harness.frontier import common_levels, frontier
from steelyard.experiments.harness.run_index import by_seed
from steelyard.experiments.harness.run_metrics import SPENT, RunMetric, final, series
from steelyard.experiments.harness.section import Section
from steelyard.experiments.harness.table import Cells
from steelyard.experiments.studies._preference.picture import draw
from steelyard.report import RunRecords
from steelyard.runtime import Run, VirtualClock

LAGS = (1, 2, 15)
OURS = ("TBA", "weighted TBA")
"""Methods that are compared with each of the others, in the studies that have them."""
TOLERANCE = 0.03
"""About the standard error of one run's win rate over 128 prompts."""
LEVELS = 8
WIN = "eval/gold_win_rate"
KL = "eval/kl_to_reference"
MEASURES = {
    "gold win rate": RunMetric(final(WIN)),
    "best": RunMetric(lambda run: max(series(run, WIN))),
    "proxy": RunMetric(final("eval/proxy"), 2),
    "KL": RunMetric(final(KL), 1),
    "reverse": RunMetric(final("eval/kl_from_reference"), 1),
    "perplexity": RunMetric(final("eval/perplexity_reference"), 1),
    **SPENT,
}
Found = Mapping[int, Mapping[str, list[RunRecords]]]
"""Lag -> method -> its runs."""


@checked()
@dataclass(frozen=True)
class Study(study_base.Study):
    """Win rate by the gold reward, against how far the policy went for it, at growing lag."""

    seeds: PositiveInt = 3
    """Runs of each method at each lag."""
    steps: PositiveInt = 100
    """Learner steps of each run."""


@dataclass(frozen=True)
class Comparison:
    """A study of preference tuning: which methods, and what is said of them."""

    name: str
    """As `steelyard study` calls it."""
    title: str
    text: str
    """Before what all have in common."""
    methods: Mapping[str, Run]
    """By their names; lag and steps are the study's."""
    paper: Cells = ()

    def measure(self, study: Study) -> Mapping[str, object]:
        """Run the grid, print the table, judge the claims."""
        arms = {_arm(m, lag): self.run_of(m, lag, study.steps) for lag in LAGS for m in self.methods}
        return study_base.carry_out(
            self.name, study_base.grid(arms, study.seeds, study.first_seed), self.section, study
        )

    def run_of(self, method: str, lag: int, steps: int) -> Run:
        """A method's run."""
        clock = VirtualClock(learn_cost=0.0, publication_lag=lag)
        return replace(self.methods[method], runtime="inline", inline=clock, max_steps=steps, save_steps=0)

    def section(self, root: Path) -> Section:
        """The table by lag and method, and the claims, from the runs in `root` alone."""
        kept = by_seed(root, [_arm(m, lag) for lag in LAGS for m in self.methods])
        found = {lag: {m: list(kept[_arm(m, lag)].values()) for m in self.methods} for lag in LAGS}
        rows = [
            [str(lag), m, *(one.over(runs) for one in MEASURES.values())]
            for lag, by_method in found.items()
            for m, runs in by_method.items()
        ]
        levels, curves = _curves(found[LAGS[-1]])
        judged = [
            _on_or_above(levels, curves, ours, m)
            for ours in OURS
            if ours in curves
            for m in self.methods
            if m not in OURS
        ]
        return Section(
            self.title,
            f"{self.text} {TEXT}",
            ["lag", "method", *MEASURES],
            rows,
            [*judged, _driven_too_far(found)] if "Dr. GRPO" in self.methods else judged,
            self.paper,
            lambda path: draw(path, found, levels, curves),
        )


TEXT = (
    "KL is KL(pi, reference), reverse KL(reference, pi), in nats per completion; the "
    "perplexity is that of samples under the reference; best is the highest win rate on the way, all else the end. "
    f"The curve of the claim is the best win rate at no more than a given KL, at {LEVELS} evenly spaced levels up "
    "to the largest that every method reached (the median over seeds of each, the smallest of these)."
)


def _arm(method: str, lag: int) -> str:
    return f"{method}-lag{lag}"


def _curves(by_method: Mapping[str, list[RunRecords]]) -> tuple[list[float], dict[str, list[float]]]:
    """Levels of KL that all methods reached, and each method's frontier at them."""
    reach = [statistics.median(max(series(run, KL)) for run in runs) for runs in by_method.values()]
    levels = common_levels(reach, LEVELS)
    return levels, {method: _median_frontier(runs, levels) for method, runs in by_method.items()}


def _on_or_above(levels: list[float], curves: Mapping[str, list[float]], ours: str, baseline: str) -> Judgement:
    """Trajectory balance's frontier beside a baseline's."""
    gaps = [own - theirs for own, theirs in zip(curves[ours], curves[baseline], strict=True)]
    return stated(
        f"at lag {LAGS[-1]} {ours}'s win-rate/KL curve is nowhere more than {TOLERANCE} below that of {baseline}",
        f"gap from {min(gaps):+.3f} to {max(gaps):+.3f}, mean {statistics.fmean(gaps):+.3f}, "
        f"at KL {levels[0]:.1f} to {levels[-1]:.1f}",
        min(gaps) >= -TOLERANCE,
    )


def _median_frontier(runs: list[RunRecords], levels: list[float]) -> list[float]:
    each = [frontier(series(run, KL), series(run, WIN), levels) for run in runs]
    return [statistics.median(at) for at in zip(*each, strict=True)]


def _driven_too_far(found: Found) -> Judgement:
    """Past its best win rate a run without a pull to the reference wins less, and its proxy score goes on rising."""
    lost = []
    gained = []
    for run in found[LAGS[0]]["Dr. GRPO"]:
        wins = series(run, WIN)
        proxy = series(run, "eval/proxy")
        best = wins.index(max(wins))
        lost.append(wins[best] - wins[-1])
        gained.append(proxy[-1] - proxy[best])
    fell = statistics.median(lost)
    rose = statistics.median(gained)
    return stated(
        f"over-optimisation shows: Dr. GRPO at lag {LAGS[0]} loses 0.05 of its best win rate while the proxy rises",
        f"win rate -{fell:.3f}, proxy {rose:+.2f}",
        fell >= 0.05 and rose > 0,
    )
