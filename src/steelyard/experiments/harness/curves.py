"""A study in one picture: each arm's curve over learner steps, and beside it where its seeds ended."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from steelyard.experiments.harness.figure import save_figure
from steelyard.experiments.harness.run_metrics import series
from steelyard.report import RunRecords

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Color = np.ndarray
"""Red, green, blue and opacity, each from 0 to 1."""
NAMES = {
    "eval/accuracy": "held-out accuracy (greedy)",
    "eval/total_variation": "total variation to pi*",
    "eval/distinct_correct": "distinct right answers per prompt",
}
STYLES = ("-", "--", "-.")
FEW = 6
LONG = 8
"""Arms above which the legend stands outside; letters from which on the arms' names stand aslant."""
RunsByArm = Mapping[str, Sequence[RunRecords]]
"""Arm -> its runs, one for each seed."""


@dataclass(frozen=True)
class Points:
    """One number for each run, drawn by arm."""

    by_arm: Mapping[str, Sequence[float]]
    name: str
    """Of the number."""
    factor: str
    """What changes from arm to arm."""


def draw_curves(
    path: Path,
    arms: RunsByArm,
    key: str,
    *,
    points: Points | None = None,
    logarithmic: bool = False,
    bound: float | None = None,
) -> None:
    """Write the picture as PNG.

    Args:
        path: the file.
        arms: what is drawn, in order.
        key: of the evaluations: the median of the seeds over steps, and their range.
        points: drawn in a second panel.
        logarithmic: the vertical axis of the curves.
        bound: a value that a claim names, drawn as a thin line.
    """
    import matplotlib as mpl

    colors = list(mpl.colormaps["viridis"](np.linspace(0, 0.88, len(arms))))

    def fill(figure: "Figure") -> None:
        left, *rest = figure.subplots(1, 2 if points else 1, squeeze=False)[0]
        for color, style, (arm, runs) in zip(colors, itertools.cycle(STYLES), arms.items(), strict=False):
            curve(left, runs, key, arm, color, style)
        left.set(xlabel="learner step", ylabel=NAMES.get(key, key), yscale="log" if logarithmic else "linear")
        if bound is not None:
            left.axhline(bound, color="#8a929b", linewidth=0.8)
        if logarithmic:
            left.yaxis.set_major_formatter("{x:g}")
        crowd = {"loc": "center left", "bbox_to_anchor": (1, 0.5)} if len(arms) > FEW else {}
        left.legend(title=points and points.factor, fontsize=8.5, title_fontsize=8.5, **crowd)
        if points:
            _points(rest[0], points, colors)

    save_figure(path, fill, (9.6 if points else 6.4, 3.6))


def curve(
    ax: "Axes",
    runs: Sequence[RunRecords],
    key: str,
    name: str,
    color: Color | str,
    style: str,
    at: Callable[[float], float] = float,
) -> None:
    """The median of the seeds and their range, over the steps that every seed was evaluated at.

    Args:
        ax: where it is drawn.
        runs: the seeds.
        key: of the evaluations.
        name: of the curve.
        color: its color.
        style: of its line.
        at: step -> place on the horizontal axis.
    """
    by_step = [dict(zip((row["step"] for row in run.evals), series(run, key), strict=True)) for run in runs]
    steps = sorted(set.intersection(*(set(rows) for rows in by_step)))
    values = np.array([[rows[step] for step in steps] for rows in by_step])
    places = [at(float(step)) for step in steps]
    ax.plot(places, np.median(values, axis=0), color=color, linestyle=style, label=name, linewidth=1.6)
    ax.fill_between(places, values.min(axis=0), values.max(axis=0), color=color, alpha=0.15, linewidth=0)


def _points(ax: "Axes", points: Points, colors: Sequence[Color]) -> None:
    for x, (color, values) in enumerate(zip(colors, points.by_arm.values(), strict=True)):
        ax.scatter([x] * len(values), values, color=[color], s=26, zorder=3)
        ax.scatter(x, np.median(values), color=[color], s=220, marker="_", zorder=2)
    number = len(points.by_arm)
    aslant = {"rotation": 30, "ha": "right"} if max(map(len, points.by_arm)) >= LONG else {}
    ax.set_xticks(range(number), list(points.by_arm), **aslant)
    ax.set(xlabel=points.factor, ylabel=points.name, xlim=(-0.4, number - 0.6))
