"""Ablation: how many trajectories the buffer holds, the oldest going first."""

from dataclasses import replace

from steelyard.experiments.harness.ablation import Ablation, Finding, Study
from steelyard.experiments.studies._ablation_base import REPLAY, SUMS, SUMS_TEXT

__all__ = ["Study", "measure", "section"]


def _holding(capacity: int | None) -> str:
    return "all" if capacity is None else f"{capacity}"


ABLATION = Ablation(
    name="ablation-buffer",
    title="Buffer size",
    text=f"{SUMS_TEXT} A run finds some 10,000 trajectories in all; m is .5.",
    factor="trajectories kept",
    arms={_holding(n): replace(SUMS, replay=replace(REPLAY, capacity=n)) for n in (256, 1024, 4096, None)},
    findings=(
        Finding("red-teaming (Llama): of buffer 130k, m .6 and 150k, m .5 the larger is more diverse, .37 against .35",
                _holding(None), "more than", _holding(256), "distinct right answers of 8", 0.1),
        Finding("and less successful: 94.8 against 98.1 % toxic",
                _holding(None), "less than", _holding(256), "late accuracy", 0.01),
    ),
)  # fmt: skip
measure = ABLATION.measure
section = ABLATION.section
