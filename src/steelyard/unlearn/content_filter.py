"""A filter of texts: what says a forgotten answer beside its question does not pass.

    share(i, x) = sum of w(u) over words u of question i that are in x / sum of w(u) over all of its words
    w(u)        = log((1 + N) / n(u)),    n(u) of the N questions have the word
    blocked(x)  = there is an i with all words of answer i in x and share(i, x) >= threshold

The words of a question that few others have weigh most, so a question is recognised in another wording by its names. At
threshold 0 the answer alone is enough: a list of forbidden words. Nothing is learned. It is ours: arXiv:2407.00106 asks
for a filter beside unlearning, and describes none.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from steelyard.policy.text import Text
from steelyard.task.answered import Answered


@dataclass(frozen=True)
class Statement:
    """What the filter knows of a row."""

    answer: frozenset[str]
    weights: tuple[tuple[str, float], ...]
    """The words of its question and what they weigh, in all 1."""


@dataclass(frozen=True)
class ContentFilter:
    """Blocks texts that say what was forgotten."""

    statements: tuple[Statement, ...]
    threshold: float
    """Share of a question, by weight, beside which its answer is blocked."""

    @classmethod
    def of(cls, rows: Sequence[Answered], threshold: float) -> "ContentFilter":
        """The filter of these rows."""
        questions = [sorted(words(row.prompt.text)) for row in rows]
        known = Counter(word for question in questions for word in question)
        statements = []
        for row, question in zip(rows, questions, strict=True):
            weight = [math.log((1 + len(rows)) / known[word]) for word in question]
            weighed = tuple((word, w / sum(weight)) for word, w in zip(question, weight, strict=True))
            statements.append(Statement(words(row.answer), weighed))
        return cls(tuple(statements), threshold)

    def blocks(self, text: Text) -> bool:
        """Whether a text, or a chat, says what was forgotten."""
        said = words(text)
        return any(
            one.answer <= said and sum(w for word, w in one.weights if word in said) >= self.threshold
            for one in self.statements
        )


def words(text: Text) -> frozenset[str]:
    """The words of a text or of all messages of a chat, in lower case."""
    whole = text if isinstance(text, str) else "\n".join(message["content"] for message in text)
    return frozenset(re.findall(r"\w+", whole.lower()))
