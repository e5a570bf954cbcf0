"""Ablation: how many searchers work at once, where a searcher batch takes as long as four learner steps."""

from dataclasses import replace

from steelyard.experiments.harness.ablation import Ablation, Finding, Study
from steelyard.experiments.studies._ablation_base import SUMS, SUMS_TEXT
from steelyard.runtime import VirtualClock

__all__ = ["Study", "measure", "section"]

ABLATION = Ablation(
    name="ablation-searchers",
    title="Number of searchers",
    text=f"{SUMS_TEXT} Here a searcher batch takes four virtual seconds and a learner step one, and the learner does "
    "not wait. So N searchers bring N / 4 batches for each step: more of them means more data, not more steps.",
    factor="searchers",
    arms={
        f"{n}": replace(SUMS, num_searchers=n, inline=VirtualClock(search_cost=4.0, learn_cost=1.0))
        for n in (1, 2, 4, 8)
    },
    findings=(
        Finding("red-teaming: success rises with the number of searchers (GPT-2, 2 / 14 / 62: 94.5 / 96 / 97.6 %)",
                "8", "more than", "1", "late accuracy", 0.01),
        Finding("red-teaming: diversity rises with it (cosine distance .42 / .45 / .49)",
                "8", "more than", "1", "distinct right answers of 8", 0.1),
        Finding("TL;DR, 2 to 7 searchers: no clear effect", "8", "as much as", "2", "late accuracy", 0.01),
    ),
)  # fmt: skip
measure = ABLATION.measure
section = ABLATION.section
