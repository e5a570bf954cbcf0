"""Compared answers: of several that a model writes to a prompt, the best one by a judge against the worst.

Differs: the source has two answers of two different models compared by people, who may edit the better one; here one
model writes all of them, and the judge is a function, a reward model or whatever else rates texts.

    (x, y_w, y_l),  w = argmax_k judge(x, y_k),  l = argmin_k judge(x, y_k),  kept where r_w - r_l >= gap and > 0

K answers y_k per prompt with ratings r_k. The gap stands for the source's rule that only pairs of which one is clearly
better are learned from.
Source: the preference data of Dubey et al. 2024, arXiv:2407.21783, section 4.2.1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from steelyard.core import NonNegative, method
from steelyard.core.columns import Column
from steelyard.data.builder import Builder, Tool, Tools, derive
from steelyard.data.candidates import PROMPT, candidates
from steelyard.data.record import Record

_TIED = "the answers of the check are of one length, by which it rates them, and a tie is no pair"


@method(
    "compared-answers",
    paper="arXiv:2407.21783",
    exemptions=dict.fromkeys(("data-records", "data-rebuilt", "data-repeatable"), _TIED),
)
@dataclass(frozen=True)
class ComparedAnswers(Builder):
    """Make pairs of a model's own answers."""

    samples: Annotated[int, Meta(ge=2)] = 2
    """K: answers to each prompt."""
    gap: NonNegative = 0.0
    """Least difference of the two ratings; pairs that differ by less are left out."""

    def columns(self) -> tuple[Column, ...]:
        """The prompt; other columns are shown to the judge."""
        return (Column(PROMPT, "prompt"),)

    def asks(self) -> tuple[Tool, ...]:
        """Who writes and who rates."""
        return ("generator", "judge")

    def build(self, part: Sequence[Record], every: Sequence[Record], tools: Tools) -> list[Record]:
        """One record of each prompt whose answers differ enough: prompt, chosen, rejected, and both ratings."""
        rated = candidates(part, every, self.samples, tools)
        found = []
        for record in part:
            some = rated[record.id]
            apart = some[0].reward - some[-1].reward if some else 0.0
            if apart > 0 and apart >= self.gap:
                pair = {"chosen": some[0].answer, "rejected": some[-1].answer}
                numbers = {"chosen_reward": some[0].reward, "rejected_reward": some[-1].reward}
                found.append(derive(self, tools, {PROMPT: record.fields[PROMPT], **pair, **numbers}, record))
        return found
