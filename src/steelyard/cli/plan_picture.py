"""The picture of a plan: throughput, idle shares and staleness by searchers, a line for each sync interval."""

from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from steelyard.experiments.harness.figure import save_figure
from steelyard.report.plots import SHARES
from steelyard.training.scale_plan import Tried

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(path: Path, tried: Sequence[Tried]) -> None:
    """Write the picture as PNG.

    Raises:
        SteelyardError: the file cannot be written.
    """
    panels: Sequence[tuple[str, str, Sequence[tuple[str, Callable[[Tried], float]]]]] = (
        ("learner steps a second", "steps/s", [("-", lambda one: one.seen.steps_per_s)]),
        ("draws of a completion", "uses", [("-", lambda one: one.seen.uses)]),
        (
            "idle: learner, searchers (dashed)",
            "share",
            [("-", lambda one: one.seen.learner_idle), ("--", lambda one: one.seen.searcher_idle)],
        ),
        (
            "staleness: mean, 95 % (dashed)",
            "versions",
            [("-", lambda one: one.seen.mean_staleness), ("--", lambda one: float(one.seen.staleness_at(0.95)))],
        ),
    )

    def fill(figure: "Figure") -> None:
        for ax, (title, unit, curves) in zip(figure.subplots(1, len(panels)), panels, strict=True):
            for sync, color in zip(dict.fromkeys(one.sync for one in tried), cycle(SHARES), strict=False):
                mine = [one for one in tried if one.sync == sync]
                for style, number in curves:
                    label = f"weights every {sync}" if style == "-" else None
                    xs = [one.searchers for one in mine]
                    ax.plot(xs, [*map(number, mine)], style, color=color, marker="o", markersize=3, label=label)
            numbers = sorted({one.searchers for one in tried})
            ax.set_xscale("log", base=2)
            ax.set_xticks(numbers, labels=[*map(str, numbers)], minor=False)
            ax.set(title=title, xlabel="searchers", ylabel=unit)
            ax.set_ylim(0, 1 if unit == "share" else None)
        figure.axes[0].legend(fontsize=8)

    save_figure(path, fill, (14.0, 3.4))
