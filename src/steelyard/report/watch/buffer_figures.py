"""What a buffer holds, as plots: over time by version, and now by reward, version and length."""

import numpy as np

from steelyard.replay.browse import Composition, composition
from steelyard.replay.row_index import RowIndex
from steelyard.report.blocks import Figure
from steelyard.report.plots import Areas, Bars, histogram

_BARS = 12
"""Of a histogram, one for each reward; with more rewards, twice as many of equal width."""


def buffer_figures(index: RowIndex) -> list[Figure]:
    """The plots of a buffer; those that it holds nothing for are left out."""
    made = composition(index)
    over_time = [] if made is None or made.at_M[0] == made.at_M[-1] else [_composition(made)]
    return [*over_time, *_spreads(index, index.gone_R == 0)]


def _spreads(index: RowIndex, live_R: np.ndarray) -> list[Figure]:
    """Histograms of what is stored now."""
    plots = [_rewards(index.reward_R[live_R])]
    columns = [("versions", index.version_R, "weight version"), ("lengths", index.length_R, "tokens")]
    columns += [("draws", index.drawn_R, "times drawn for the learner")] if index.keeps_draws else []
    for name, column_R, x in columns:
        values, counts = np.unique(column_R[live_R], return_counts=True)
        text = f"What is stored now, by {x}: {_span(values, column_R[live_R])}"
        counted = dict(zip(values.tolist(), counts.tolist(), strict=True))
        plots.append(histogram(f"stored-{name}", text, counted, x=x, y="trajectories"))
    return [Figure(plot, plot.alt) for plot in plots if plot is not None]


def _rewards(reward_R: np.ndarray) -> Bars | None:
    """A bar for each of a few rewards, else bars of equal width; None without a reward."""
    known = reward_R[np.isfinite(reward_R)]
    if not len(known):
        return None
    values, counts = np.unique(known, return_counts=True)
    width = 0.8 * float(np.diff(values).min()) if len(values) > 1 else 0.8
    lefts = values - width / 2
    if len(values) > _BARS:
        counts, edges = np.histogram(known, bins=2 * _BARS)
        lefts, width = edges[:-1], float(edges[1] - edges[0])
    text = f"What is stored now, by reward: {_span(values, known)}"
    return Bars("stored-rewards", text, lefts, counts, width, "reward", "trajectories")


def _span(values: np.ndarray, all: np.ndarray) -> str:
    return f"{values.min():.4g} to {values.max():.4g}, mean {all.mean():.4g}." if len(values) else "nothing."


def _composition(made: Composition) -> Figure:
    ends = (int(made.at_M[0]), int(made.at_M[-1]))
    text = "Shares of the buffer by the version of the weights that sampled it."
    plot = Areas(
        "composition", text, made.at_M.astype(float), made.labels, made.share_BM.tolist(), ends, "share of the buffer"
    )
    return Figure(plot, f"{text} What was deleted from the file is missing in early moments.")
