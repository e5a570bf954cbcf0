"""The report's plots, as inline SVG: lines over steps, stacked shares, and a histogram.

Colours are Okabe and Ito's, which colour-blind readers can tell apart; lines of one plot differ in dash too. Text stays
text, in the page's own font. Matplotlib is imported when the first plot is drawn.
"""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from steelyard.core.json import JsonMapping
from steelyard.report.format import is_number
from steelyard.report.template import visible

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

HELD_OUT = "#0072B2"
LEARNER = "#D55E00"
SEARCHER = "#009E73"
OTHER = "#666666"
SHARES = ("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#0072B2", "#D55E00", "#999999")
WIDTH_IN = 4.8
HEIGHT_IN = 2.6
SMOOTH_FROM = 60
MAX_BARS = 40

INK = "#3a424b"
LINE = "#8a929b"
RC: dict[Any, Any] = {
    "svg.fonttype": "none", "text.parse_math": False, "font.size": 10.5, "axes.spines.top": False,
    "axes.spines.right": False, "axes.grid": True, "grid.color": "#e3e6ea", "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.edgecolor": LINE, "axes.labelcolor": INK, "xtick.color": LINE, "ytick.color": LINE, "xtick.labelcolor": INK,
    "ytick.labelcolor": INK, "legend.frameon": False, "legend.fontsize": 10, "axes.xmargin": 0.02,
}  # fmt: skip


@dataclass(frozen=True)
class Series:
    """One line: a key of the rows against another. Rows where the value is missing leave a gap."""

    rows: Sequence[JsonMapping]
    key: str
    label: str
    color: str
    dash: str = "-"
    x: str = "step"
    band: tuple[str, str] | None = None
    """Keys of an interval's low and high end, drawn as a band."""

    def xs(self) -> np.ndarray:
        """The horizontal values."""
        return _column(self.rows, self.x)

    def ys(self, key: str | None = None) -> np.ndarray:
        """The vertical values, NaN where missing; of another key if named."""
        return _column(self.rows, key or self.key)

    @property
    def empty(self) -> bool:
        """True where there is nothing to draw."""
        return not bool(np.isfinite(self.ys() + self.xs()).any())


def lines(
    name: str, alt: str, series: Sequence[Series], *, y: str, x: str = "learner step", share: bool = False
) -> Markup | None:
    """Lines over steps; None where every series is empty.

    Long noisy series are drawn faint with their moving average on top.

    Args:
        name: unique on the page.
        alt: what the plot shows, in words.
        series: the lines; empty ones are left out.
        y: label of the vertical axis, with its unit.
        x: label of the horizontal axis.
        share: the values are shares: the axis starts at 0 and is in per cent.
    """
    drawn = [s for s in series if not s.empty]
    if not drawn:
        return None
    with _axes(name) as (figure, axes):
        handles = [_line(axes, s) for s in drawn]
        if share:
            axes.set_ylim(0, min(1.02, axes.get_ylim()[1]))
            axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g}%")
        axes.xaxis.get_major_locator().set_params(integer=drawn[0].x == "step")
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        if len(drawn) > 1:
            _legend(axes, [s.label for s in drawn], handles)
        return _svg(figure, name, alt)


def areas(name: str, alt: str, rows: Sequence[JsonMapping], key: str, styles: Sequence[str]) -> Markup | None:
    """Shares stacked over steps; None with fewer than two rows that have them.

    Args:
        name: unique on the page.
        alt: what the plot shows, in words.
        rows: with `step` and, under `key`, shares by style.
        key: of the shares.
        styles: every style on the page, so that a colour means one style; those after the sixth are drawn as one.
    """
    known = [row for row in rows if row.get(key)]
    if len(known) < 2:
        return None
    shown, rest = (styles, []) if len(styles) <= len(SHARES) else (styles[: len(SHARES) - 1], styles[len(SHARES) - 1 :])
    stacks = [[row[key].get(style, 0.0) for row in known] for style in shown]
    if rest:
        shown = [*shown, "other"]
        stacks.append([sum(row[key].get(style, 0.0) for style in rest) for row in known])
    with _axes(name) as (figure, axes):
        colors = SHARES[: len(shown)]
        patches = axes.stackplot(_column(known, "step"), stacks, colors=colors, edgecolor="white", linewidth=0.8)
        axes.set_ylim(0, 1)
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g}%")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_xlabel("learner step")
        axes.set_ylabel("share of samples")
        axes.set_xlim(rows[0]["step"], rows[-1]["step"])  # plots of one run line up
        _legend(axes, shown, patches)
        return _svg(figure, name, alt)


def histogram(name: str, alt: str, counts: Mapping[int, int], *, x: str, y: str) -> Markup | None:
    """Bars over whole numbers; equal neighbours share a bar where there would be more than 40. None without counts."""
    if not counts:
        return None
    low = min(counts)
    high = max(counts)
    width = -(-(high - low + 1) // MAX_BARS)
    heights = np.zeros((high - low) // width + 1)
    for value, count in counts.items():
        heights[(value - low) // width] += count
    with _axes(name) as (figure, axes):
        left = low + width * np.arange(len(heights)) - 0.5
        axes.bar(left, heights, width=width, align="edge", color=LEARNER, edgecolor="white", linewidth=0.8)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        return _svg(figure, name, alt)


def _column(rows: Sequence[JsonMapping], key: str) -> np.ndarray:
    return np.array([row[key] if is_number(row.get(key)) else np.nan for row in rows], dtype=float)


def _line(axes: "Axes", s: Series) -> "Line2D":
    """Draws the series and returns the line that stands for it in a legend."""
    x = s.xs()
    y = s.ys()
    if s.band is not None:
        axes.fill_between(x, s.ys(s.band[0]), s.ys(s.band[1]), color=s.color, alpha=0.18, linewidth=0)
    if len(y) >= SMOOTH_FROM:
        axes.plot(x, y, color=s.color, alpha=0.25, linewidth=0.8)
        y = smooth(y)
    marker = "o" if len(y) <= 40 else ""
    return axes.plot(x, y, color=s.color, linestyle=s.dash, linewidth=1.9, marker=marker, markersize=3.5)[0]


def smooth(y: np.ndarray) -> np.ndarray:
    """The centred moving average over a fortieth of the values, at least 5; gaps count for nothing."""
    window = np.ones(max(5, len(y) // 40) | 1)
    known = np.isfinite(y)
    weight = np.convolve(known, window, mode="same")
    total = np.convolve(np.where(known, y, 0.0), window, mode="same")
    return np.where(weight > 0.5, total / np.maximum(weight, 1.0), np.nan)


def _legend(axes: "Axes", labels: Sequence[str], handles: Sequence["Artist"]) -> None:
    # Matplotlib leaves out labels with a leading underscore.
    texts = [label.lstrip("_")[:24] or "(empty)" for label in labels]
    place = {"loc": "lower left", "bbox_to_anchor": (-0.02, 1.0), "ncols": min(3, len(texts)), "borderaxespad": 0.2}
    axes.legend(handles, texts, handlelength=1.6, columnspacing=1.2, **place)


@contextmanager
def _axes(name: str) -> Iterator[tuple["Figure", Any]]:
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({**RC, "svg.hashsalt": name}):
        figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), layout="constrained")
        yield figure, figure.add_subplot()


def _svg(figure: "Figure", name: str, alt: str) -> Markup:
    """The figure as an `<svg>` element for HTML: no prolog, no metadata, no fixed size, ids that no other plot has."""
    file = io.StringIO()
    figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    inner = file.getvalue().partition("<svg")[2].partition(">")[2]
    inner = re.sub(r"<metadata>.*?</metadata>", "", inner, flags=re.DOTALL)
    inner = re.sub(r'(\bid="|href="#|url\(#)', rf"\1{name}-", inner)
    box = f"0 0 {72 * WIDTH_IN:g} {72 * HEIGHT_IN:g}"
    return Markup('<svg viewBox="{}" role="img" aria-label="{}">').format(box, visible(alt)) + Markup(inner)
