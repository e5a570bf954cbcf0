"""The frontier in one picture: accuracy at the end by lag, world by world; the anchor is a line across."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from steelyard.experiments.harness.figure import save_figure
from steelyard.experiments.studies._frontier.cells import FRESH, LAGS, Cell
from steelyard.experiments.studies._frontier.found import COLUMNS, Found
from steelyard.experiments.studies._frontier.worlds import WORLDS, Name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = {
    "tb": "#0072B2",
    "held-z": "#CC79A7",
    "corrected": "#009E73",
    "uncorrected": "#D55E00",
    "on-policy": "#5b6570",
}
NAMES = {
    "tb": "trajectory balance",
    "held-z": "the same, log Z held",
    "corrected": "best corrected baseline",
    "uncorrected": "Dr. GRPO, uncorrected",
}


def draw(path: Path, found: Found) -> None:
    """Write the picture as PNG: median and range of the seeds."""
    shown: list[Name] = [world for world in WORLDS if any(key[0] == world for key in found)]

    def fill(figure: "Figure") -> None:
        for ax, world in zip(figure.subplots(1, len(shown), squeeze=False, sharey=True)[0], shown, strict=True):
            for arm, name in NAMES.items():
                _line(ax, found, world, arm, name)
            _anchor(ax, found, world)
            ax.set_xscale("log", base=2)
            ax.set_xticks(LAGS, [*map(str, LAGS)], fontsize=7.5)
            ax.set(title=world, xlabel="lag (versions)", ylim=(0, 1.02))
        figure.axes[0].set_ylabel("held-out accuracy (greedy)")
        figure.axes[0].legend(fontsize=8)

    save_figure(path, fill, (3.4 * max(len(shown), 1), 3.4))


def _values(found: Found, world: Name, arm: str, cell: Cell) -> list[float]:
    return [*map(COLUMNS["accuracy"](world).read, found.get((world, arm, cell), []))]


def _line(ax: "Axes", found: Found, world: Name, arm: str, name: str) -> None:
    by_lag = {lag: values for lag in LAGS if (values := _values(found, world, arm, Cell(lag=lag)))}
    if not by_lag:
        return
    color = COLORS[arm]
    low, middle, high = (np.array([of(v) for v in by_lag.values()]) for of in (min, np.median, max))
    ax.plot([*by_lag], middle, color=color, marker="o", markersize=4, label=name)
    ax.fill_between([*by_lag], low, high, color=color, alpha=0.15, linewidth=0)


def _anchor(ax: "Axes", found: Found, world: Name) -> None:
    values = _values(found, world, "on-policy", FRESH)
    if values:
        ax.axhline(float(np.median(values)), color=COLORS["on-policy"], linestyle="--", label="Dr. GRPO on fresh data")
