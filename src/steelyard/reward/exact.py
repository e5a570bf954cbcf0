"""Exact answers: reward 1 where the text after the last marker is the right answer, 0 elsewhere.

    r(y | x) = [ answer in the line of y's last marker = answer of x ]

Numbers are compared by value and all else as text; nothing is evaluated, and no formula is compared by value (see
`MathVerify`). Of the marker's line the answer is what it begins with, or its only number: `#### 72 clips (48 + 24)`. A
completion without the marker scores 0. Where a text goes on to a new question, the answer before it counts.
Source: the usual check of GSM8K answers (arXiv:2110.14168), whose marker is `####`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from steelyard.core import Episode, Score, method
from steelyard.reward.answer_check import AnswerCheck, judge, prompt_text
from steelyard.reward.final_answer import MARKER, find_after_marker
from steelyard.reward.gold import UnreadableError, gold_value, golds_of

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
    """Scores 1 where the text after the last marker is the right answer, else 0."""

    marker: str = MARKER
    """What stands before the answer in a completion; empty takes the whole completion."""
    answer_column: str = "answer"
    """The prompt's column with the right answer."""
    check: AnswerCheck = field(default_factory=AnswerCheck)
    """How strictly numbers are compared."""

    def __call__(self, episodes: Sequence[Episode]) -> list[Score]:
        """One score of 0 or 1 for each episode, in order; none where the right answer cannot be read."""
        return [self._score(episode) for episode in episodes]

    def _score(self, episode: Episode) -> Score:
        try:
            golds = golds_of(gold_value(episode, self.answer_column))
        except UnreadableError as error:
            return Score(None, error=f"exact-answer: {error}")
        prompt = prompt_text(episode.prompt)
        read: str | None = None
        source = ""
        for gold in golds:
            found = find_after_marker(
                episode.completion,
                self.marker,
                prompt=prompt,
                finish=episode.finish,
                quotes=gold.is_words or gold.moment is not None,
            )
            verdict = judge(gold, found, prompt, self.check)
            exact = found is not None and normal(found.text) == normal(gold.text)
            read = verdict.read or read
            source = found.source if found is not None and read else source
            if verdict.right or (gold.is_words and exact):
                return Score(1.0, read=verdict.read, read_from=source)
        return Score(0.0, read=read, read_from=source)
