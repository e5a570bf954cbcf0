"""The minimiser is pi* whoever sampled: trajectory balance and REINFORCE on fresh, uniform and 64-version-old data.

The distance to pi* is exact (enumerable world). REINFORCE here is the control: r - beta log(pi/pi_ref), no ratio, no
baseline; on its own samples it goes to pi*, on data of another law it cannot. Each trajectory is learned from once.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

from steelyard.recipes.named import enumerable, enumerable_reinforce
from steelyard.recipes.sweep import median, show, sweep
from steelyard.replay import SingleUse
from steelyard.runtime import Run, VirtualClock

FRESH = VirtualClock(learn_cost=0.0)
DATA: dict[str, dict[str, Any]] = {
    "on-policy": {"inline": FRESH},
    "uniform": {"inline": FRESH, "search_temperature": math.inf},
    "64 versions old": {"inline": replace(FRESH, publication_lag=64)},
}
BOUNDS = {"on-policy": 0.03, "uniform": 0.05, "64 versions old": 0.05}
METHODS: dict[str, Run] = {
    "vargrad-tb": replace(enumerable.RECIPE, runtime="inline", replay=SingleUse(capacity=4)),
    "reinforce": enumerable_reinforce.RECIPE,
}
CASES = [*(("vargrad-tb", data) for data in DATA), ("reinforce", "on-policy"), ("reinforce", "uniform")]


@dataclass(frozen=True)
class Study:
    """Total variation to pi* at the end, and the lowest on the way."""

    seeds: int = 3
    """Seeds 0, 1, ..."""
    output_dir: str | None = None
    """Where the runs go; runs that ended there before are not repeated."""
    jobs: int = 0
    """Runs at a time; 0 for one per core."""


def measure(study: Study) -> dict[str, Any]:
    """Run the grid, print the table, judge the claims."""
    seeds = range(study.seeds)
    runs = {_label(m, d, seed): replace(METHODS[m], seed=seed, **DATA[d]) for seed in seeds for m, d in CASES}
    results = sweep("off-policy", runs, jobs=study.jobs, directory=study.output_dir)

    def values(method: str, data: str, key: str) -> list[float]:
        return [results[_label(method, data, seed)][key] for seed in seeds]

    start = next(iter(results.values()))["total_variation_before"]
    keys = ("total_variation", "total_variation_lowest")
    rows = [[m, d, *(median(values(m, d, key)) for key in keys)] for m, d in CASES]
    show(f"total variation to pi*, {start:.3f} before training", ["method", "data", "at the end", "lowest"], rows)
    balanced = all(max(values("vargrad-tb", d, "total_variation")) < bound for d, bound in BOUNDS.items())
    controlled = min(values("reinforce", "uniform", "total_variation")) > 0.2
    print(f"trajectory balance below {list(BOUNDS.values())} in every seed: {'shown' if balanced else 'not shown'}")
    print(f"REINFORCE on uniform data ends above 0.2 in every seed: {'shown' if controlled else 'not shown'}")
    return {"rows": rows, "before": start, "shown": balanced and controlled}


def _label(method: str, data: str, seed: int) -> str:
    return f"{method}-{data.replace(' ', '-')}-seed{seed}"
