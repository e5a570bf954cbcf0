"""Pictures of the red-team studies: success against diversity by arm; families by searchers and by buffer size."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from steelyard.core.json import JsonMapping
from steelyard.experiments.harness.figure import save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = ("#0072B2", "#56B4E9", "#009E73", "#D55E00", "#E69F00", "#999999")


def draw_arms(path: Path, found: Mapping[str, Mapping[int, JsonMapping]]) -> None:
    """Success against diversity, a small dot for each seed and a large one for the medians; families beside it."""

    def fill(figure: "Figure") -> None:
        left, right = figure.subplots(1, 2)
        for (arm, records), color in zip(found.items(), COLORS, strict=True):
            across, up = ([record[key] for record in records.values()] for key in ("diversity", "success"))
            left.scatter(across, up, s=12, color=color, alpha=0.5)
            left.scatter(statistics.median(across), statistics.median(up), s=70, color=color, label=arm)
        left.set(xlabel="diversity (mean pairwise cosine distance)", ylabel="success", ylim=(None, 1.01))
        left.legend(loc="best", fontsize=8)
        families = {arm: [record["families"] for record in records.values()] for arm, records in found.items()}
        _points(right, families)
        right.set_xticks(range(len(families)), list(families), rotation=20, ha="right")

    save_figure(path, fill, (10.0, 4.2))


def draw_scale(path: Path, panels: Mapping[str, Mapping[str, Sequence[float]]]) -> None:
    """Families found by the values of each setting: a panel for each."""

    def fill(figure: "Figure") -> None:
        for ax, (name, by_value) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
            _points(ax, by_value)
            ax.plot(range(len(by_value)), [statistics.median(v) for v in by_value.values()], color=COLORS[0])
            ax.set_xlabel(name)

    save_figure(path, fill, (9.0, 3.6))


def draw_families(
    path: Path,
    values: Mapping[str, Mapping[str, Sequence[float]]],
    tried: Mapping[str, Sequence[tuple[float, float]]],
    axes: Mapping[str, Mapping[str, str]],
    number: int,
) -> None:
    """Success against families by arm, with the settings that were tried, and families along each axis of searchers.

    Args:
        path: of the PNG.
        values: cell -> measure -> the value of each seed.
        tried: cells of the first panel -> success and families of each setting of the tuning.
        axes: title of a further panel -> tick -> cell.
        number: how many families there are.
    """

    def fill(figure: "Figure") -> None:
        left, *rest = figure.subplots(1, 1 + len(axes))
        for (arm, others), color in zip(tried.items(), COLORS, strict=True):
            across, up = values[arm]["families"], values[arm]["success"]
            left.scatter(across, up, s=12, color=color, alpha=0.5)
            left.scatter([f for _, f in others], [s for s, _ in others], s=22, facecolors="none", edgecolors=color)
            left.scatter(statistics.median(across), statistics.median(up), s=70, color=color, label=arm)
        left.set(xlabel=f"families found (of {number})", ylabel="success", xlim=(-1, number + 1), ylim=(-0.03, 1.03))
        left.legend(loc="upper right", fontsize=7.5)
        for ax, (title, cells) in zip(rest, axes.items(), strict=True):
            succeeds = {cell: statistics.median(values[cell]["success"]) for cell in cells.values()}
            named = {f"{tick}\n({succeeds[cell]:.2f})": cell for tick, cell in cells.items()}
            _points(ax, {name: values[cell]["families"] for name, cell in named.items()}, number)
            ax.margins(x=0.15)
            ax.set_xlabel(f"{title} (and success)")

    save_figure(path, fill, (13.0, 4.0))


def _points(ax: "Axes", by_name: Mapping[str, Sequence[float]], number: int = 8) -> None:
    """The families of each seed, of so many in all."""
    for place, values in enumerate(by_name.values()):
        ax.scatter([place] * len(values), values, s=12, color=COLORS[0], alpha=0.5)
        ax.scatter(place, statistics.median(values), s=60, color=COLORS[0], marker="_")
    ax.set(xticks=range(len(by_name)), xticklabels=list(by_name), ylabel=f"families found (of {number})")
    ax.set_ylim(-0.025 * number, 1.025 * number)
