"""Ablation: samples per prompt K, at equal batch; and a batch twice as large."""

from dataclasses import replace

from steelyard.experiments.harness.ablation import Ablation, Finding, Study
from steelyard.experiments.studies._ablation_base import SUMS, SUMS_TEXT
from steelyard.runtime import Run

__all__ = ["Study", "measure", "section"]


def _sized(prompts: int, samples: int) -> Run:
    return replace(SUMS, num_prompts=prompts, search_prompts=prompts, num_generations=samples)


ABLATION = Ablation(
    name="ablation-samples",
    title="Samples per prompt K",
    text=f"{SUMS_TEXT} Here prompts x K is 128 in every arm but the last, which learns from twice as many.",
    factor="prompts x K",
    arms={f"{p} x {k}": _sized(p, k) for p, k in ((64, 2), (32, 4), (16, 8), (8, 16), (4, 32), (32, 8))},
    findings=(
        Finding("GSM8K, batch 140: K = 40 reaches 54.89 (sd .49), K = 20 54.61 (sd .85), which is less than the spread",
                "4 x 32", "as much as", "8 x 16", "late accuracy", 0.01),
        Finding("GSM8K, figure 7: a batch beyond 140 brings nothing",
                "32 x 8", "as much as", "16 x 8", "late accuracy", 0.01),
    ),
)  # fmt: skip
measure = ABLATION.measure
section = ABLATION.section
