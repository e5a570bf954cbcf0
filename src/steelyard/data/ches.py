"""CHES filter: of a preference set the pairs stay whose two completions are least alike to the model to be tuned.

    CHES(x, y+, y-) = <S+, S-> - |S+|^2                                     S = sum_k h_{x, y<k}, as `data.overlap` says
    length-normalised = <S+, S-> / (|y+| |y-|) - |S+|^2 / |y+|^2

Where it is high, DPO and its kin may lower the log-probability of y+ itself (likelihood displacement) and raise
completions that nobody asked for. The `keep` lowest of all pairs stay, at least one; equal scores go by the record's
id. Scores are those of the model before tuning, computed once. Lengths are true ones; the authors' code divides by the
padded ones. Differs: the end of sequence is a token of y, as it is where the pairs are trained on.
Source: Razin et al. 2024, arXiv:2410.08847.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from steelyard.core import ShareAboveZero, method
from steelyard.core.columns import Column
from steelyard.data.builder import Builder, Tool, Tools, derive
from steelyard.data.overlap import Comparison, Overlap
from steelyard.data.record import Record
from steelyard.task.base import worded

SCORE = "ches"
"""The column of the score."""


def ches(overlap: Overlap) -> float:
    """<S+, S-> - |S+|^2."""
    return overlap.dot - overlap.square


def length_normalised(overlap: Overlap) -> float:
    """The same of mean hidden states in place of sums."""
    across = overlap.dot / (overlap.chosen_tokens * overlap.rejected_tokens)
    return across - overlap.square / overlap.chosen_tokens**2


Score = Literal["length-normalised", "ches"]
SCORES: Mapping[Score, Callable[[Overlap], float]] = {"length-normalised": length_normalised, "ches": ches}


@method(
    "ches",
    paper="arXiv:2410.08847",
    claim="Without its pairs of high CHES score, preference tuning no longer lowers the refusals that it is to raise",
)
@dataclass(frozen=True)
class CHES(Builder):
    """Settings of the filter."""

    score: Score = "length-normalised"
    """What pairs are ranked by; sums favour pairs whose preferred completion is the longer one."""
    keep: ShareAboveZero = 0.05
    """Share of the pairs that stays: those of the lowest scores."""
    prompt_column: str = "prompt"
    """Column with the prompt: a text or chat messages."""
    chosen_column: str = "chosen"
    """Column with the preferred completion."""
    rejected_column: str = "rejected"
    """Column with the dispreferred completion."""
    chat: bool = False
    """Make each prompt the message of a user, which the model's chat template renders."""

    def columns(self) -> tuple[Column, ...]:
        """The prompt and both completions."""
        return (
            Column(self.prompt_column, "prompt", "--prompt-column"),
            Column(self.chosen_column, "text", "--chosen-column"),
            Column(self.rejected_column, "text", "--rejected-column"),
        )

    def asks(self) -> tuple[Tool, ...]:
        """The model that is to be tuned."""
        return ("reader",)

    def build(self, part: Sequence[Record], every: Sequence[Record], tools: Tools) -> list[Record]:
        """The pairs that stay, with all their columns and their score in the column `ches`."""
        if not part:
            return []
        overlaps = tools.overlaps([self._comparison(record) for record in every])
        scores = {r.id: SCORES[self.score](overlap) for r, overlap in zip(every, overlaps, strict=True)}
        ranked = sorted(scores, key=lambda id: (scores[id], id))
        kept = {*ranked[: math.ceil(self.keep * len(ranked))]}
        return [derive(self, tools, {**r.fields, SCORE: scores[r.id]}, r) for r in part if r.id in kept]

    def _comparison(self, record: Record) -> Comparison:
        fields = record.fields
        prompt = worded(fields[self.prompt_column], "{prompt}", self.chat, "", f"record {record.id}")
        return Comparison(prompt, str(fields[self.chosen_column]), str(fields[self.rejected_column]))
