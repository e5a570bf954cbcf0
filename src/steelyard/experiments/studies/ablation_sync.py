"""Ablation: the sync interval k, the learner steps between two publications of weights."""

from dataclasses import replace

from steelyard.experiments.harness.ablation import Ablation, Finding, Study
from steelyard.experiments.studies._ablation_base import SUMS, SUMS_TEXT

__all__ = ["Study", "measure", "section"]

ABLATION = Ablation(
    name="ablation-sync",
    title="Sync interval k",
    text=f"{SUMS_TEXT} Searchers get new weights every k steps; the newest data are then up to k versions old.",
    factor="k",
    arms={f"{k}": replace(SUMS, weight_sync_steps=k) for k in (1, 2, 4, 10, 40)},
    findings=(
        Finding("GSM8K, figure 7: a smaller k is better (2 is used)", "1", "more than", "10", "late accuracy", 0.01),
        Finding(
            "GSM8K: k = 4 is unstable at beta_final .004, k = 2 is not", "2", "more than", "4", "lowest late", 0.02
        ),
    ),
)
measure = ABLATION.measure
section = ABLATION.section
