"""The report's plots as plain values: lines over steps, stacked shares, and a histogram.

`report.svg` draws them for a page that stands alone; a live page draws them itself. Colours are Okabe and Ito's, which
colour-blind readers can tell apart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from steelyard.core.json import JsonMapping
from steelyard.report.format import is_number

HELD_OUT = "#0072B2"
LEARNER = "#D55E00"
SEARCHER = "#009E73"
OTHER = "#666666"
SHARES = ("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#0072B2", "#D55E00", "#999999")
SMOOTH_FROM = 60
MAX_BARS = 40


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

    def curve(self) -> tuple[np.ndarray, np.ndarray | None]:
        """What is drawn: the values, or of a long noisy series its moving average and the values, which are faint."""
        y = self.ys()
        return (y, None) if len(y) < SMOOTH_FROM else (smooth(y), y)

    @property
    def empty(self) -> bool:
        """True where there is nothing to draw."""
        return not bool(np.isfinite(self.ys() + self.xs()).any())


@dataclass(frozen=True)
class Lines:
    """Lines over steps; none of the series is empty."""

    name: str
    alt: str
    series: Sequence[Series]
    y: str
    x: str = "learner step"
    share: bool = False


@dataclass(frozen=True)
class Areas:
    """Shares stacked over steps: `stacks` has a row of shares for each label."""

    name: str
    alt: str
    x: np.ndarray
    labels: Sequence[str]
    stacks: Sequence[Sequence[int | float]]
    ends: tuple[int, int]
    """First and last step of the axis: plots of one run line up."""
    y: str


@dataclass(frozen=True)
class Bars:
    """Bars of equal width; the axis of counts begins at 0."""

    name: str
    alt: str
    lefts: np.ndarray
    heights: np.ndarray
    width: int | float
    x: str
    y: str


Plot = Lines | Areas | Bars


def lines(
    name: str, alt: str, series: Sequence[Series], *, y: str, x: str = "learner step", share: bool = False
) -> Lines | None:
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
    return Lines(name, alt, drawn, y, x, share) if drawn else None


def areas(
    name: str,
    alt: str,
    rows: Sequence[JsonMapping],
    key: str,
    styles: Sequence[str],
    *,
    y: str = "share of samples",
) -> Areas | None:
    """Shares stacked over steps; None with fewer than two rows that have them.

    Args:
        name: unique on the page.
        alt: what the plot shows, in words.
        rows: with `step` and, under `key`, shares by style.
        key: of the shares.
        styles: every style on the page, so that a colour means one style; those after the sixth are drawn as one.
        y: label of the vertical axis.
    """
    known = [row for row in rows if row.get(key)]
    if len(known) < 2:
        return None
    shown, rest = (styles, []) if len(styles) <= len(SHARES) else (styles[: len(SHARES) - 1], styles[len(SHARES) - 1 :])
    stacks = [[row[key].get(style, 0.0) for row in known] for style in shown]
    if rest:
        shown = [*shown, "other"]
        stacks.append([sum(row[key].get(style, 0.0) for style in rest) for row in known])
    return Areas(name, alt, _column(known, "step"), shown, stacks, (rows[0]["step"], rows[-1]["step"]), y)


def histogram(name: str, alt: str, counts: Mapping[int, int], *, x: str, y: str) -> Bars | None:
    """Bars over whole numbers; equal neighbours share a bar where there would be more than 40. None without counts."""
    if not counts:
        return None
    low = min(counts)
    high = max(counts)
    width = -(-(high - low + 1) // MAX_BARS)
    heights = np.zeros((high - low) // width + 1)
    for value, count in counts.items():
        heights[(value - low) // width] += count
    return Bars(name, alt, low + width * np.arange(len(heights)) - 0.5, heights, width, x, y)


def _column(rows: Sequence[JsonMapping], key: str) -> np.ndarray:
    return np.array([row[key] if is_number(row.get(key)) else np.nan for row in rows], dtype=float)


def smooth(y: np.ndarray) -> np.ndarray:
    """The centred moving average over a fortieth of the values, at least 5; gaps count for nothing."""
    window = np.ones(max(5, len(y) // 40) | 1)
    known = np.isfinite(y)
    weight = np.convolve(known, window, mode="same")
    total = np.convolve(np.where(known, y, 0.0), window, mode="same")
    return np.where(weight > 0.5, total / np.maximum(weight, 1.0), np.nan)
