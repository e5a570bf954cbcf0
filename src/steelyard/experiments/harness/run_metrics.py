"""Numbers of one run, read from its records, and what they come to over seeds."""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from steelyard.experiments.harness.spread import fixed, spread
from steelyard.report import RunRecords

Read = Callable[[RunRecords], float]
"""A run's number; infinite where something was never reached, nan where it was not measured."""


@dataclass(frozen=True)
class RunMetric:
    """A number of a run, and how many decimals are worth writing."""

    read: Read
    decimals: int = 3

    def over(self, runs: Iterable[RunRecords]) -> str:
        """Of several runs: `median [lowest, highest]`."""
        return self.write([self.read(run) for run in runs])

    def write(self, values: Sequence[float]) -> str:
        """`median [lowest, highest]` of numbers that were read before."""
        return spread(values, fixed(self.decimals))


def final(key: str) -> Read:
    """The last evaluation's value."""
    return lambda run: series(run, key)[-1]


def average(key: str) -> Read:
    """The mean over all evaluations but that of the untrained policy: how early and how lastingly it rose."""
    return lambda run: statistics.fmean(series(run, key)[1:])


def late(key: str, over: Callable[[list[float]], float] = statistics.fmean) -> Read:
    """The mean, or another summary, of the evaluations in the last third of the steps."""

    def read(run: RunRecords) -> float:
        last = max(row["step"] for row in run.evals)
        pairs = zip(series(run, key), run.evals, strict=True)
        return over([value for value, row in pairs if 3 * row["step"] > 2 * last])

    return read


def lowest(key: str) -> Read:
    """The lowest value on the way."""
    return lambda run: min(series(run, key))


def steps_to(key: str, bound: float) -> Read:
    """The learner step of the first evaluation at or above `bound`."""

    def read(run: RunRecords) -> float:
        reached = (row["step"] for row in run.evals if row[key] is not None and row[key] >= bound)
        return float(next(reached, math.inf))

    return read


def summed_up(key: str) -> Read:
    """A number of the summary that the run ended with."""
    return lambda run: float((run.result or {}).get(key, math.nan))


SPENT = {"samples": RunMetric(summed_up("trajectories"), 0), "seconds": RunMetric(summed_up("seconds"), 1)}
"""What a run cost: trajectories that its searchers drew, and seconds beside whatever else the machine did."""


def series(run: RunRecords, key: str) -> list[float]:
    """The values of every evaluation; nan where one was not finite."""
    return [math.nan if row.get(key) is None else float(row[key]) for row in run.evals]
