"""Draws plots as inline SVG by matplotlib, which is imported when the first one is drawn.

Text stays text, in the page's own font. Lines of one plot differ in dash too.
"""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from steelyard.report.plots import LEARNER, SHARES, Areas, Bars, Lines, Plot, Series
from steelyard.report.template import visible

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

WIDTH_IN = 4.8
HEIGHT_IN = 2.6
LEGEND_LINE_IN = 0.21
LABEL = 40
"""Characters of a label."""
ROOM = 72
"""Characters of a line of a legend."""

INK = "#3a424b"
LINE = "#8a929b"
RC: dict[Any, Any] = {
    "svg.fonttype": "none", "text.parse_math": False, "font.size": 10.5, "axes.spines.top": False,
    "axes.spines.right": False, "axes.grid": True, "grid.color": "#e3e6ea", "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.edgecolor": LINE, "axes.labelcolor": INK, "xtick.color": LINE, "ytick.color": LINE, "xtick.labelcolor": INK,
    "ytick.labelcolor": INK, "legend.frameon": False, "legend.fontsize": 10, "axes.xmargin": 0.02,
}  # fmt: skip


def draw(plot: Plot) -> Markup:
    """The plot as an `<svg>` element for HTML: no prolog, no metadata, no fixed size, ids that no other plot has."""
    with _axes(plot) as (figure, axes):
        if isinstance(plot, Lines):
            _draw_lines(axes, plot)
        elif isinstance(plot, Areas):
            _draw_areas(axes, plot)
        else:
            _draw_bars(axes, plot)
        return _svg(figure, plot.name, plot.alt)


def _draw_lines(axes: Any, plot: Lines) -> None:
    handles = [_line(axes, s) for s in plot.series]
    if plot.share:
        axes.set_ylim(0, min(1.02, axes.get_ylim()[1]))
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g}%")
    axes.xaxis.get_major_locator().set_params(integer=plot.series[0].x == "step")
    axes.set_xlabel(plot.x)
    axes.set_ylabel(plot.y)
    if len(handles) > 1:
        _legend(axes, [s.label for s in plot.series], handles)


def _draw_areas(axes: Any, plot: Areas) -> None:
    colors = SHARES[: len(plot.labels)]
    patches = axes.stackplot(plot.x, plot.stacks, colors=colors, edgecolor="white", linewidth=0.8)
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g}%")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("learner step")
    axes.set_ylabel(plot.y)
    axes.set_xlim(*plot.ends)
    _legend(axes, plot.labels, patches)


def _draw_bars(axes: Any, plot: Bars) -> None:
    axes.bar(plot.lefts, plot.heights, width=plot.width, align="edge", color=LEARNER, edgecolor="white", linewidth=0.8)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_xlabel(plot.x)
    axes.set_ylabel(plot.y)


def _line(axes: "Axes", s: Series) -> "Line2D":
    """Draws the series and returns the line that stands for it in a legend."""
    x = s.xs()
    if s.band is not None:
        axes.fill_between(x, s.ys(s.band[0]), s.ys(s.band[1]), color=s.color, alpha=0.18, linewidth=0)
    y, faint = s.curve()
    if faint is not None:
        axes.plot(x, faint, color=s.color, alpha=0.25, linewidth=0.8)
    marker = "o" if len(y) <= 40 else ""
    return axes.plot(x, y, color=s.color, linestyle=s.dash, linewidth=1.9, marker=marker, markersize=3.5)[0]


def _legend(axes: "Axes", labels: Sequence[str], handles: Sequence["Artist"]) -> None:
    # Matplotlib leaves out labels with a leading underscore.
    texts = [label.lstrip("_")[:LABEL] or "(empty)" for label in labels]
    place = {"loc": "lower left", "bbox_to_anchor": (-0.02, 1.0), "ncols": _columns(texts), "borderaxespad": 0.2}
    axes.legend(handles, texts, handlelength=1.6, columnspacing=1.2, **place)


def _columns(labels: Sequence[str]) -> int:
    """Columns of a legend: three at most, as far as they fit."""
    return max(1, min(3, len(labels), ROOM // (4 + max(map(len, labels), default=0))))


def _height(plot: Plot) -> float:
    """Inches: a legend of more than two lines makes a plot higher."""
    if isinstance(plot, Bars):
        return HEIGHT_IN
    labels = [label[:LABEL] for label in (plot.labels if isinstance(plot, Areas) else [s.label for s in plot.series])]
    return HEIGHT_IN + LEGEND_LINE_IN * max(0, -(-len(labels) // _columns(labels)) - 2)


@contextmanager
def _axes(plot: Plot) -> Iterator[tuple["Figure", Any]]:
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({**RC, "svg.hashsalt": plot.name}):
        figure = Figure(figsize=(WIDTH_IN, _height(plot)), layout="constrained")
        yield figure, figure.add_subplot()


def _svg(figure: "Figure", name: str, alt: str) -> Markup:
    file = io.StringIO()
    figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    inner = file.getvalue().partition("<svg")[2].partition(">")[2]
    inner = re.sub(r"<metadata>.*?</metadata>", "", inner, flags=re.DOTALL)
    inner = re.sub(r'(\bid="|href="#|url\(#)', rf"\1{name}-", inner)
    box = "0 0 {:g} {:g}".format(*(72 * figure.get_size_inches()))
    return Markup('<svg viewBox="{}" role="img" aria-label="{}">').format(box, visible(alt)) + Markup(inner)
