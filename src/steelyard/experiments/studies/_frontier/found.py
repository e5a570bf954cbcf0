"""The runs of a world's frontier, read back, and what each is measured by."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from steelyard.experiments.harness.run_index import directories
from steelyard.experiments.harness.run_metrics import Read, RunMetric, final, steps_to, summed_up
from steelyard.experiments.studies._frontier.arms import ARMS, name_of
from steelyard.experiments.studies._frontier.cells import FRESH, Cell, along
from steelyard.experiments.studies._frontier.worlds import WORLDS, Name
from steelyard.report import RunRecords, read_run

Found = Mapping[tuple[str, Cell], Sequence[RunRecords]]
"""Arm and cell -> the runs that have ended."""
ACCURACY = "eval/accuracy"
"""Greedy, on held-out prompts."""


def read(root: Path) -> Found:
    """Every run that has ended; a cell that was not run has none."""
    by_name: dict[str, list[RunRecords]] = {}
    for place in directories(root):
        records = read_run(place)
        if records.result is not None:
            by_name.setdefault(place.name.rpartition("-seed")[0], []).append(records)
    keys = [(arm, cell) for arm in ARMS for cell in ([FRESH] if arm == "on-policy" else along())]
    return {key: by_name[name] for key in keys if (name := name_of(*key)) in by_name}


def _samples_to(world: Name) -> Read:
    """Trajectories drawn up to the first evaluation that is good enough."""
    reached = steps_to(ACCURACY, WORLDS[world].enough)
    return lambda run: drawn(run, reached(run))


def _samples_to_first(run: RunRecords) -> float:
    """Trajectories drawn up to the learner step before which a searcher first found a right answer."""
    found = (float(row["step"]) for row in run.metrics if (row["search/reward_mean"] or 0) > 0)
    return drawn(run, next(found, math.inf))


def drawn(run: RunRecords, step: float) -> float:
    """Trajectories drawn up to a step: searchers draw as many for every step."""
    return math.inf if math.isinf(step) else _ALL(run) * step / run.config["run"]["max_steps"]


_ALL = summed_up("trajectories")
COLUMNS: Mapping[str, Callable[[Name], RunMetric]] = {
    "accuracy": lambda world: RunMetric(final(ACCURACY)),
    "sampled": lambda world: RunMetric(final("eval/reward_mean")),
    "to score": lambda world: RunMetric(_samples_to(world), 0),
    "to first": lambda world: RunMetric(_samples_to_first, 0),
    "distinct": lambda world: RunMetric(final("eval/distinct_correct"), 2),
    "staleness": lambda world: RunMetric(summed_up("staleness_mean"), 1),
    "seconds": lambda world: RunMetric(summed_up("seconds"), 0),
}


def middle(runs: Sequence[RunRecords], column: str, world: Name) -> float:
    """The median over the seeds."""
    return statistics.median(map(COLUMNS[column](world).read, runs))
