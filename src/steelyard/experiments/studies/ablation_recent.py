"""Ablation: the most-recent probability m, the chance that a prompt slot is filled with the newest trajectories.

At two learning rates: the recipe's, and twice that, at the edge of what is stable.
"""

from dataclasses import replace

from steelyard.experiments.harness.ablation import Ablation, Finding, Study
from steelyard.experiments.studies._ablation_base import REPLAY, SUMS, SUMS_TEXT

__all__ = ["Study", "measure", "section"]

CALM = "1e-4"
EDGE = "2e-4"


def _arm(m: float, rate: str) -> str:
    return f"{m:g} at {rate}"


ABLATION = Ablation(
    name="ablation-recent",
    title="Most-recent probability m",
    text=f"{SUMS_TEXT} Here half of the arms have the recipe's learning rate, 1e-4.",
    factor="m, learning rate",
    arms={
        _arm(m, rate): replace(
            SUMS, replay=replace(REPLAY, recent_probability=m), learning_rate=float(rate)
        )
        for rate in (CALM, EDGE)
        for m in (0.0, 0.5, 0.95, 1.0)
    },
    findings=(
        Finding("GSM8K, figure 7: a higher m is better (.95 is used)",
                _arm(0.95, CALM), "more than", _arm(0.0, CALM), "late accuracy", 0.01),
        Finding("the same, at the edge of what is stable",
                _arm(0.95, EDGE), "more than", _arm(0.0, EDGE), "late accuracy", 0.01),
        Finding("TL;DR, win rate at m = .4 / .5 / .6: .67 / .82 / .80, so half is better than less",
                _arm(0.5, CALM), "more than", _arm(0.0, CALM), "late accuracy", 0.01),
    ),
)  # fmt: skip
measure = ABLATION.measure
section = ABLATION.section
