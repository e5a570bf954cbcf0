"""A world's frontier in one picture: accuracy over completions drawn, lag by lag, and its end by lag.

Lines are medians over the seeds and bands their range; the anchor, Dr. GRPO on fresh data, is dashed, the same in all.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from steelyard.experiments.harness.curves import curve
from steelyard.experiments.harness.figure import save_figure
from steelyard.experiments.harness.run_metrics import final
from steelyard.experiments.studies._frontier.cells import FRESH, LAGS, Cell
from steelyard.experiments.studies._frontier.found import ACCURACY, Found, drawn
from steelyard.experiments.studies._frontier.worlds import Name
from steelyard.report import RunRecords

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = {
    "tb": "#0072B2",
    "weighted-tb": "#CC79A7",
    "corrected": "#009E73",
    "uncorrected": "#D55E00",
    "on-policy": "#5b6570",
}
NAMES = {
    "tb": "trajectory balance",
    "weighted-tb": "the same, importance weights",
    "corrected": "best corrected baseline",
    "uncorrected": "Dr. GRPO, uncorrected",
}
ANCHOR = "Dr. GRPO on fresh data"
PANEL = (2.7, 3.1)
"""Width and height of a panel (inches)."""


def draw(path: Path, found: Found, world: Name) -> None:
    """Write the picture as PNG."""
    lags = [lag for lag in LAGS if any(key[1] == Cell(lag=lag) for key in found)]

    def fill(figure: "Figure") -> None:
        *over, end = figure.subplots(1, len(lags) + 1, squeeze=False, sharey=True)[0]
        for ax, lag in zip(over, lags, strict=True):
            _over_completions(ax, found, lag)
        _by_lag(end, found)
        (over or [end])[0].set_ylabel(f"{world}: held-out accuracy (greedy)", fontsize=8.5)
        lines = {line.get_label(): line for ax in figure.axes for line in ax.get_lines()}
        figure.legend([*lines.values()], [*map(str, lines)], loc="outside lower center", ncols=5, fontsize=8)

    save_figure(path, fill, (PANEL[0] * (len(lags) + 1), PANEL[1] + 0.3))


def _over_completions(ax: "Axes", found: Found, lag: int) -> None:
    """The curves at one lag."""
    for arm, name in NAMES.items():
        _curve(ax, found.get((arm, Cell(lag=lag)), []), name, COLORS[arm])
    _curve(ax, found.get(("on-policy", FRESH), []), ANCHOR, COLORS["on-policy"], "--")
    ax.set(title=f"lag {lag}", xlabel="completions drawn (thousands)", ylim=(0, 1.02), xlim=(0, None))


def _curve(ax: "Axes", runs: Sequence[RunRecords], name: str, color: str, style: str = "-") -> None:
    """Accuracy over thousands of completions; nothing where there are no runs."""
    if runs:
        curve(ax, runs, ACCURACY, name, color, style, at=lambda step: drawn(runs[0], step) / 1000)


def _values(found: Found, arm: str, cell: Cell) -> list[float]:
    return [*map(final(ACCURACY), found.get((arm, cell), []))]


def _by_lag(ax: "Axes", found: Found) -> None:
    """Where each arm ends."""
    for arm, name in NAMES.items():
        by_lag = {lag: values for lag in LAGS if (values := _values(found, arm, Cell(lag=lag)))}
        if not by_lag:
            continue
        low, middle, high = (np.array([of(v) for v in by_lag.values()]) for of in (min, np.median, max))
        ax.plot([*by_lag], middle, color=COLORS[arm], marker="o", markersize=4, label=name)
        ax.fill_between([*by_lag], low, high, color=COLORS[arm], alpha=0.15, linewidth=0)
    if values := _values(found, "on-policy", FRESH):
        ax.axhline(float(np.median(values)), color=COLORS["on-policy"], linestyle="--", label=ANCHOR)
    ax.set_xscale("log", base=2)
    ax.set_xticks(LAGS, [*map(str, LAGS)], fontsize=7.5)
    ax.set(title="at the end", xlabel="lag (versions)")
