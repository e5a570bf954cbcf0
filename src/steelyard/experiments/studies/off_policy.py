"""The minimiser is pi* whoever sampled: trajectory balance and REINFORCE on fresh, uniform and 64-version-old data.

The distance to pi* is exact (enumerable world). REINFORCE here is the control: r - beta log(pi/pi_ref), no ratio, no
baseline. On its own samples it reaches pi*; on data from another distribution it cannot. Each trajectory is used once.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from steelyard.core import PositiveInt, checked
from steelyard.experiments.harness.claim import stated
from steelyard.experiments.harness.curves import draw_curves
from steelyard.experiments.harness.run_index import by_seed
from steelyard.experiments.harness.run_metrics import SPENT, RunMetric, summed_up
from steelyard.experiments.harness.section import Section
from steelyard.experiments.harness.study_base import Swept, carry_out, grid
from steelyard.recipes import enumerable, enumerable_reinforce
from steelyard.replay import SingleUse
from steelyard.runtime import Run, VirtualClock

FRESH = VirtualClock(learn_cost=0.0)
DATA: Mapping[str, Mapping[str, object]] = {
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
COLUMNS = {
    "before": RunMetric(summed_up("total_variation_before")),
    "at the end": RunMetric(summed_up("total_variation")),
    "lowest": RunMetric(summed_up("total_variation_lowest")),
    **SPENT,
}
TEXT = """\
Total variation to pi*, exact, in a world of 1,000 completions (`enumerable`). Trajectory balance and REINFORCE with the
reward r - beta log(pi/pi_ref), no ratio and no baseline, each on its own fresh samples, on uniformly drawn completions,
or on samples of weights 64 versions old; each trajectory is learned from once. REINFORCE has a learning rate and 1,500
steps of its own, tuned on fresh samples; trajectory balance has 600 steps."""


@checked()
@dataclass(frozen=True)
class Study(Swept):
    """Total variation to pi* at the end, and the lowest on the way."""

    seeds: PositiveInt = 3
    """Seeds 0, 1, ..."""


def measure(study: Study) -> Mapping[str, object]:
    """Run the grid, print the section."""
    arms = {_arm(m, d): replace(METHODS[m], **DATA[d]) for m, d in CASES}
    return carry_out("off-policy", grid(arms, study.seeds), section, study)


def section(root: Path) -> Section:
    """The distances by method and data, and the claims: trajectory balance arrives, the control does not."""
    found = by_seed(root, [_arm(m, d) for m, d in CASES])
    values = {
        (m, d): {name: [one.read(run) for run in found[_arm(m, d)].values()] for name, one in COLUMNS.items()}
        for m, d in CASES
    }
    rows = [[m, d, *(COLUMNS[name].write(column) for name, column in values[m, d].items())] for m, d in CASES]
    most = {d: max(values["vargrad-tb", d]["at the end"]) for d in BOUNDS}
    astray = min(values["reinforce", "uniform"]["at the end"])
    claims = [
        stated(f"trajectory balance, {d}, ends below {b:g} in every seed", f"at most {most[d]:.3f}", most[d] < b)
        for d, b in BOUNDS.items()
    ]
    claims.append(
        stated("REINFORCE on uniform data ends above 0.2 in every seed", f"at least {astray:.3f}", astray > 0.2)
    )
    curves = {_arm(m, d): list(found[_arm(m, d)].values()) for m, d in CASES}
    return Section(
        "The minimiser is pi* whoever sampled the data",
        TEXT,
        ["method", "data", *COLUMNS],
        rows,
        claims,
        draw=lambda path: draw_curves(path, curves, "eval/total_variation", logarithmic=True),
    )


def _arm(method: str, data: str) -> str:
    return f"{method}, {data}"
