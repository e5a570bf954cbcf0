"""How many searchers a run needs, from what its parts cost: simulated runs, a recommendation and its price.

A number of searchers is enough where completions are found fast enough that on average none is drawn more than `uses`
times, and where the learner makes at least 95 % of the steps a second that it makes with any such number: on shared
cores searchers slow the learner down. The smallest number that is enough is recommended.

    GPU hours = (searchers + 1) x max_steps / (3600 x steps a second)

counts one device for the learner and one for each searcher; on shared cores there are no devices to count.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from steelyard.core import Prompt
from steelyard.core.json import JsonObject
from steelyard.runtime import Run
from steelyard.runtime.simulated.costs import Costs
from steelyard.runtime.simulated.driver import Simulation, Way
from steelyard.runtime.simulated.observed import Observed

NEAR = 0.95
"""Of the best throughput: what counts as no slower."""


@dataclass(frozen=True)
class Tried:
    """One number of searchers and one sync interval."""

    searchers: int
    sync: int
    """Learner steps between two publications of weights."""
    seen: Observed


@dataclass(frozen=True)
class Asked:
    """What is planned."""

    searchers: tuple[int, ...]
    syncs: tuple[int, ...]
    steps: int
    """Learner steps of each simulated run, after those in which it settles."""
    cores: float | None
    """Cores that all processes share; None for a device each."""
    way: Way
    uses: float
    """How often a completion may be drawn, on average."""


def simulate(
    run: Run, prompts: Sequence[Prompt], costs: Costs, asked: Asked, say: Callable[[str], None]
) -> Iterator[Tried]:
    """Every number of searchers with every sync interval.

    Raises:
        StallError: a learner waits for data that nobody will bring.
    """
    for sync in asked.syncs:
        settling = 2 * sync
        for searchers in asked.searchers:
            say(f"simulated: {searchers} searchers, weights every {sync}")
            sized = replace(run, num_searchers=searchers, weight_sync_steps=sync, max_steps=asked.steps + settling)
            simulation = Simulation(sized, prompts, costs, cores=asked.cores, way=asked.way, settling=settling)
            yield Tried(searchers, sync, simulation.observe())


def enough(tried: Sequence[Tried], uses: float) -> Tried | None:
    """The smallest number of searchers that is enough, among runs of one sync interval; None where none is."""
    fits = [one for one in tried if one.seen.uses <= uses]
    best = max((one.seen.steps_per_s for one in fits), default=0.0)
    return min(
        (one for one in fits if one.seen.steps_per_s >= NEAR * best), key=lambda one: one.searchers, default=None
    )


def hours(run: Run, one: Tried) -> float:
    """Hours of the whole run."""
    return run.max_steps / one.seen.steps_per_s / 3600


def device_hours(run: Run, one: Tried, cores: float | None) -> float | None:
    """The equation above; None on shared cores."""
    return None if cores is not None else (one.searchers + 1) * hours(run, one)


def row(run: Run, one: Tried, cores: float | None) -> JsonObject:
    """One simulated run, as JSON values."""
    seen = one.seen
    return {
        "searchers": one.searchers,
        "sync": one.sync,
        "steps_per_s": seen.steps_per_s,
        "completions_per_s": seen.found_per_s,
        "uses": seen.uses,
        "learner_idle": seen.learner_idle,
        "searcher_idle": seen.searcher_idle,
        "driver_busy": seen.driver_busy,
        "staleness_mean": seen.mean_staleness,
        "staleness_p95": seen.staleness_at(0.95),
        "staleness_max": max(seen.staleness),
        "staleness": dict(sorted(seen.staleness.items())),
        "stored": seen.stored,
        "length_found": seen.length_found,
        "length_trained": seen.length_trained,
        "hours": hours(run, one),
        "device_hours": device_hours(run, one, cores),
    }
