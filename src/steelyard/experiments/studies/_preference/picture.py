"""The picture of the preference study: win rate against KL by lag; what the proxy promised and what it was worth."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from steelyard.experiments.harness.figure import save_figure
from steelyard.experiments.harness.run_metrics import series
from steelyard.report import RunRecords

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")
KL = "eval/kl_to_reference"


def draw(
    path: Path,
    found: Mapping[int, Mapping[str, Sequence[RunRecords]]],
    levels: Sequence[float],
    curves: Mapping[str, Sequence[float]],
) -> None:
    """Write the picture as PNG: a panel for each of three lags, two of over-optimisation at the first, and the curves
    that the claim compares at the last."""

    def fill(figure: "Figure") -> None:
        top, below = figure.subplots(2, len(found))
        for ax, (lag, by_method) in zip(top, found.items(), strict=True):
            _panel(ax, by_method, "eval/gold_win_rate", f"lag {lag}", "gold win rate")
        first = next(iter(found))
        for ax, key, name in zip(below, ("eval/proxy", "eval/gold"), ("proxy score", "gold reward"), strict=False):
            _panel(ax, found[first], key, f"lag {first}: {name}", name)
        for (method, values), color in zip(curves.items(), COLORS[: len(curves)], strict=True):
            below[-1].plot(levels, values, color=color, marker="o", markersize=3, label=method)
        title = f"lag {list(found)[-1]}: best within a KL"
        below[-1].set(xlabel="KL(pi, ref), nats", ylabel="gold win rate", title=title)
        below[-1].legend(fontsize=8.5)

    save_figure(path, fill, (11.0, 6.6))


def _panel(ax: "Axes", by_method: Mapping[str, Sequence[RunRecords]], key: str, title: str, name: str) -> None:
    """Each method's path, seed by seed, faint, and that of the median over seeds at each evaluation."""
    for (method, runs), color in zip(by_method.items(), COLORS[: len(by_method)], strict=True):
        paths = [(series(run, KL), series(run, key)) for run in runs]
        for kl, value in paths:
            ax.plot(kl, value, color=color, alpha=0.25, linewidth=0.9)
        shown = min(len(kl) for kl, _ in paths)
        middle = [np.median([p[axis][:shown] for p in paths], axis=0) for axis in (0, 1)]
        ax.plot(*middle, color=color, marker="o", markersize=3, linewidth=1.7, label=method)
    ax.set(xlabel="KL(pi, ref), nats", ylabel=name, title=title)
