"""ROUGE-L: how much of two texts is the same, in the same order.

    F = 2 L / (n + m)        L the longest common subsequence of their words, n and m how many words they have

Words are runs of letters and digits, whatever their case. Differs from the package rouge-score, which brings a
toolkit of natural language for this: words of every script count, and none is stemmed. Of English text without
stemming both give the same number.
Source: Lin 2004, ROUGE: a package for automatic evaluation of summaries.
"""

import re
from collections.abc import Sequence


def rouge_l(said: str, truth: str) -> float:
    """F, from 0 to 1; 0 where one of them has no words."""
    one, other = (re.findall(r"[^\W_]+", text.casefold()) for text in (said, truth))
    return 2 * _common(one, other) / (len(one) + len(other)) if one and other else 0.0


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """The length of the longest common subsequence."""
    row = [0] * (len(other) + 1)
    for word in one:
        corner = 0
        for j, beside in enumerate(other, start=1):
            corner, row[j] = row[j], corner + 1 if word == beside else max(row[j], row[j - 1])
    return row[-1]
