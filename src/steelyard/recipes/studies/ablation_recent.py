"""Ablation: the most-recent probability m, the chance that a prompt slot is filled with the newest trajectories.

On fresh weights, and on weights that reach the searchers four versions late.
"""

from dataclasses import replace

from steelyard.recipes.ablation import Ablation, Finding, Study
from steelyard.recipes.ablation_base import SUMS, SUMS_TEXT

__all__ = ["Study", "measure", "section"]


def _arm(m: float, lag: int) -> str:
    return f"m {m:g}, lag {lag}"


ABLATION = Ablation(
    name="ablation-recent",
    title="Most-recent probability m",
    text=f"{SUMS_TEXT} Lag: versions by which the weights reach the searchers late.",
    factor="m",
    arms={
        _arm(m, lag): replace(
            SUMS,
            replay=replace(SUMS.replay, recent_probability=m),
            inline=replace(SUMS.inline, publication_lag=lag),
        )
        for lag in (0, 4)
        for m in (0.0, 0.5, 0.95, 1.0)
    },
    findings=(
        Finding("GSM8K, figure 7: a higher m is better (.95 is used); staleness of recent data 2.5 versions",
                _arm(0.95, 0), "more than", _arm(0.0, 0), "late accuracy", 0.01),
        Finding("the same, where the weights are late (the paper: 14.5 versions in TL;DR)",
                _arm(0.95, 4), "more than", _arm(0.0, 4), "late accuracy", 0.01),
        Finding("TL;DR, win rate at m = .4 / .5 / .6: .67 / .82 / .80, so half is better than less",
                _arm(0.5, 4), "more than", _arm(0.0, 4), "late accuracy", 0.01),
    ),
)  # fmt: skip
measure, section = ABLATION.measure, ABLATION.section
