"""Load: how many searchers one driver serves on Ray, with searchers that have no model.

The driver, its coordinator and its replay (on disk) are those of every Ray run. All searchers are in one process,
learner and evaluator in a second one, and each searcher has its own line to the driver: to it they are as many actors.
They offer `rate` trajectories a second together (64 tokens, in batches of 32), at first one that is the same for any
number of them, then as many as they are asked for. The learner takes 100 ms for a step on 32 prompts x 8 and publishes
1 MiB after each.

Each run is a Ray and a driver of its own on one thread, and runs of 1, 16, 256, ... searchers come in turn; step times
are compared with that of the run with the fewest in the same turn. `wait` is what the learner waits between its word
and its groups, `draw` what replay takes of it; both over all runs together. Processor time of a trajectory is all that
driver and Ray's servers use, divided by what was stored. Replay holds what has come since the begin.
"""

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from steelyard.core import Positive, PositiveInt, checked
from steelyard.core.json import JsonObject
from steelyard.experiments.bench.measuring import ratios
from steelyard.experiments.bench.record import Row
from steelyard.experiments.harness.processes import ask_module, serve
from steelyard.experiments.harness.spread import spread

TITLE = "Load: searchers without a model, on Ray"
STEP_S = 0.1
SETTLE_S = 5.0
PROMPTS = 4
"""Of a searcher batch, with 8 samples each."""


@checked()
@dataclass(frozen=True)
class Load:
    """What a driver stores and draws a second, by the number of searchers."""

    runs: PositiveInt = 3
    """Runs of each number of searchers at each rate."""
    searchers: tuple[PositiveInt, ...] = (1, 16, 256, 1024)
    """Numbers of searchers."""
    rate: Positive = 500.0
    """Trajectories that all of them offer a second, together."""
    seconds: Positive = 15.0
    """What a run is watched for, after five seconds in which it settles."""


def measure(settings: Load, workdir: Path, say: Callable[[str], None]) -> list[Row]:
    """A row for each number of searchers at each rate."""
    rows = []
    for rate in (settings.rate, None):
        found: dict[int, list[JsonObject]] = {number: [] for number in settings.searchers}
        for _ in range(settings.runs):
            for number in settings.searchers:
                with tempfile.TemporaryDirectory(dir=workdir) as place:
                    asked = {"searchers": number, "rate": rate, "seconds": settings.seconds, "directory": place}
                    found[number].append(ask_module(__name__, asked))
                    say(f"{number} searchers, {rate or 'all'}: {found[number][-1]['accepted_per_s']:.0f} stored/s")
        rows += [
            {"searchers": number, "rate": rate, **{name: [run[name] for run in runs] for name in runs[0]}}
            for number, runs in found.items()
        ]
    return rows


_COLUMNS = {
    "accepted_per_s": "stored/s",
    "driver_busy": "driver's cores",
    "driver_us": "driver, us each",
    "decide_us": "of it coordinator and replay",
    "servers_us": "Ray's servers, us each",
    "resident_mib": "MiB",
}


def table(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """A line for each number of searchers at each rate."""
    columns = ["searchers", "offered/s", *_COLUMNS.values(), "draw, ms: p50, p99", "wait, ms: p50, p99", "step time"]
    lines = []
    for row in rows:
        fewest = next(r for r in rows if r["rate"] == row["rate"])
        slower = "1" if row is fewest else spread(ratios(row["step_s"], fewest["step_s"]))
        lines.append(
            [
                f"{row['searchers']:,}",
                "all" if row["rate"] is None else f"{row['rate']:,g}",
                *(spread(row[key]) for key in _COLUMNS),
                _percentiles(row["draws_ms"]),
                _percentiles(row["waits_ms"]),
                slower,
            ]
        )
    return columns, lines


def _percentiles(runs: Sequence[Sequence[float]]) -> str:
    both = [time for run in runs for time in run]
    return ", ".join(f"{p:.3g}" for p in np.percentile(both, [50, 99])) if both else ""


# One run, in a process of its own


def cell(searchers: int, rate: float | None, seconds: float, directory: str) -> JsonObject:
    """A driver, so many searchers, and what was noted."""
    from steelyard.experiments.bench.load_work import LoadDriver
    from steelyard.recipes import find
    from steelyard.runtime import HeldOut, Records, Run
    from steelyard.runtime.run_parts import RayCluster
    from steelyard.task import Arithmetic

    recipe = find("arithmetic")
    assert isinstance(recipe, Run)
    run = replace(
        recipe,
        task=Arithmetic(problems=4096),
        runtime="ray",
        num_searchers=searchers,
        search_prompts=PROMPTS,
        max_steps=10**9,
        save_steps=0,
        evaluation=HeldOut(every=10**9),
        ray=RayCluster(searcher_cpus=0.0),
    )
    with Records(Path(directory) / "run") as records:
        driver = LoadDriver(run, records)
        driver.rate = math.inf if rate is None else rate
        driver.step_s = STEP_S
        return driver.observe(SETTLE_S, seconds)


if __name__ == "__main__":
    serve(cell)
