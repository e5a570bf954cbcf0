"""Exact answers: reward 1 where the text after the last marker is the right answer, 0 elsewhere.

    r(y | x) = [ normal(text of y after its last marker) = normal(answer of x) ]

`normal` folds white space, and writes a number in one way: no thousands commas, no `+`, no idle zeros (+1,234.50 is
1234.5). A completion without the marker scores 0. Nothing is evaluated; for 1/2 = 0.5 see `MathVerify`.
Source: the usual check of GSM8K answers (arXiv:2110.14168), whose marker is `####`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from steelyard.core import Episode, Score, method
from steelyard.reward.gold import MARKER, after, gold_of

_NUMBER = re.compile(r"([+-]?)(\d{1,3}(?:,\d{3})+|\d*)(?:\.(\d*))?", re.ASCII)


def normal(text: str) -> str:
    """The text with single spaces, and a number without commas, plus sign and idle zeros."""
    text = " ".join(text.split())
    match = _NUMBER.fullmatch(text)
    if match is None or not any(c.isdigit() for c in text):
        return text
    sign = match[1]
    whole = match[2].replace(",", "").lstrip("0") or "0"
    part = (match[3] or "").rstrip("0")
    number = f"{whole}.{part}" if part else whole
    return f"-{number}" if sign == "-" and number != "0" else number


@method("exact-answer", paper="arXiv:2110.14168")
@dataclass(frozen=True)
class ExactAnswer:
    """Scores 1 where the text after the last marker equals the right answer, else 0."""

    marker: str = MARKER
    """What stands before the answer in a completion; empty takes the whole completion."""
    answer_column: str = "answer"
    """The prompt's column with the right answer."""

    def __call__(self, episodes: Sequence[Episode]) -> list[Score]:
        """One score of 0 or 1 for each episode, in order."""
        return [self._score(episode) for episode in episodes]

    def _score(self, episode: Episode) -> Score:
        gold = normal(gold_of(episode, self.answer_column))
        found = after(episode.completion, self.marker) if self.marker else episode.completion
        return Score(float(found is not None and normal(found) == gold))
