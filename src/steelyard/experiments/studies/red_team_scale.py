"""Red-teaming at scale: families found by 1, 2, 4 and 8 searchers of one learner, and by buffers of several sizes.

Searchers are simulated: each takes the same virtual time for a batch, the learner makes the same steps, so more
searchers mean more judge calls, as more GPUs did in the paper. The buffer keeps the newest attacks. Source of the
claim: Bartoldson et al. 2025, arXiv:2503.18929, section 5: success and diversity rise with the number of searchers.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from steelyard.core import PositiveInt, checked
from steelyard.experiments.harness import study_base
from steelyard.experiments.harness.claim import Judgement, stated
from steelyard.experiments.harness.run_index import by_seed
from steelyard.experiments.harness.run_metrics import SPENT, RunMetric, final, summed_up
from steelyard.experiments.harness.section import Section
from steelyard.experiments.studies._red_team.picture import draw_scale
from steelyard.recipes.red_team import RECIPE, REPLAY
from steelyard.report import RunRecords
from steelyard.runtime import Run, VirtualClock

SEARCHERS = (1, 2, 4, 8)
CAPACITIES = (64, 256, 10_000)
USUAL = 4
"""Searchers of the runs with other buffers."""
SEARCH_COST = 8.0
"""Virtual time of a searcher's batch, in learner steps."""
MEASURES = {
    "families": RunMetric(final("eval/families"), 1),
    "success": RunMetric(final("eval/success")),
    "diversity": RunMetric(final("eval/diversity")),
    "of successes": RunMetric(final("eval/diversity_success")),
    "judge calls": SPENT["samples"],
    "staleness": RunMetric(summed_up("staleness_mean"), 1),
    "seconds": SPENT["seconds"],
}


@checked()
@dataclass(frozen=True)
class Study(study_base.Study):
    """Families found against the number of searchers and the size of the buffer."""

    seeds: PositiveInt = 8
    """Runs of each setting: three left it open whether searchers matter."""
    steps: PositiveInt = 400
    """Learner steps of each run."""


def measure(study: Study) -> Mapping[str, object]:
    """Run both sweeps, print the table, judge the claims."""
    runs = {arm: replace(run, max_steps=study.steps) for arm, run in arms().items()}
    return study_base.carry_out("red-team-scale", study_base.grid(runs, study.seeds, study.first_seed), section, study)


def arms() -> dict[str, Run]:
    """Every setting by its name; the usual number of searchers with the largest buffer belongs to both sweeps."""
    base = replace(RECIPE, runtime="inline", save_steps=0, inline=VirtualClock(search_cost=SEARCH_COST))
    searchers = {_searchers(n): replace(base, num_searchers=n) for n in SEARCHERS}
    usual = searchers[_searchers(USUAL)]
    return searchers | {
        _buffer(size): replace(usual, replay=replace(REPLAY, capacity=size)) for size in CAPACITIES[:-1]
    }


def _searchers(number: int) -> str:
    return f"searchers {number}"


def _buffer(size: int) -> str:
    return _searchers(USUAL) if size == CAPACITIES[-1] else f"buffer {size}"


def section(root: Path) -> Section:
    """The table by setting, and the claims, from the runs in `root` alone."""
    kept = by_seed(root, arms())
    rows = [[arm, *(one.over(list(runs.values())) for one in MEASURES.values())] for arm, runs in kept.items()]
    by_searchers = {str(n): _families(kept[_searchers(n)]) for n in SEARCHERS}
    by_size = {str(size): _families(kept[_buffer(size)]) for size in CAPACITIES}
    return Section(
        "Red-teaming: families found by searchers and buffer size",
        TEXT,
        ["setting", *MEASURES],
        rows,
        [_rises("more searchers find more families", by_searchers), _rises("a larger buffer finds more", by_size)],
        PAPER,
        lambda path: draw_scale(path, {"searchers": by_searchers, "attacks in the buffer": by_size}),
    )


def _families(runs: Mapping[int, RunRecords]) -> list[float]:
    return [final("eval/families")(run) for run in runs.values()]


def _rises(text: str, by_value: Mapping[str, Sequence[float]]) -> Judgement:
    """The medians of the last setting and the first; the difference in each seed says how sure that is."""
    middle = {name: statistics.median(values) for name, values in by_value.items()}
    first, *_, last = by_value
    measured = ", ".join(f"{name}: {value:g}" for name, value in middle.items())
    effects = ", ".join(f"{b - a:+g}" for a, b in zip(by_value[first], by_value[last], strict=True))
    return stated(
        f"{text} (in the median, the last more than the first)",
        f"{measured}; the last less the first, by seed: {effects}",
        middle[last] > middle[first],
    )


TEXT = (
    "`red-team` under TBA, the learner's steps and the virtual time of a search batch fixed: a batch takes "
    f"{SEARCH_COST:g} steps, so one searcher feeds the learner one batch in {SEARCH_COST:g} steps, and eight feed it "
    f"one in each. The buffer keeps the newest attacks, {CAPACITIES[-1]} or fewer; with smaller ones there are {USUAL} "
    "searchers. "
    "Measured by 1024 attacks of the last weights; median [lowest, highest] over seeds."
)
PAPER = (
    ("the paper, Table 6 (GPT-2)", "GPUs (searchers and 2)", "cosine distance", "% toxic"),
    ("TBA", "4", ".42", "94.5"),
    ("TBA", "16", ".45", "96"),
    ("TBA", "64", ".49", "97.6"),
    ("Llama, buffer 130k / 150k", "8", ".35 / .37", "98.1 / 94.8"),
)
