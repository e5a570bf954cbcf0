"""Reflection: whether a text looks back at what it says, told by words.

Differs: a list of words. The source of the gauge asks a language model, which also tells backtracking from checking.

    reflection = share of samples with a word or phrase of the list,  of those that have any word

A word that is there is no proof that something was checked, and longer answers have more words: read samples, too.
Source: the reasoning behaviours that Zeng et al. 2025, arXiv:2503.18892, follow during training.
"""

import re
from collections.abc import Sequence

PHRASES = (
    "wait", "hmm", "recheck", "re-check", "check again", "double-check", "double check", "let me check", "let's check",
    "let me verify", "let's verify", "verify that", "to verify", "verify this", "let me re-evaluate", "re-evaluate",
    "reconsider", "rethink", "let me try again", "try again", "try another", "another approach", "alternatively",
    "on second thought", "made a mistake", "made an error", "that is not right", "that's not right", "this is wrong",
    "let me reconsider", "go back",
)  # fmt: skip
"""Words of reflection, in lower case."""
_REFLECTS = re.compile(rf"\b(?:{'|'.join(map(re.escape, PHRASES))})\b")
_WORD = re.compile(r"[a-z]{2}")


def reflects(text: str) -> bool:
    """Whether the text has a word of reflection."""
    return _REFLECTS.search(text.lower().replace("\u2019", "'")) is not None


def reflection(texts: Sequence[str]) -> float | None:
    """The share of texts that reflect, of those with any word; None where none has one."""
    worded = [text for text in texts if _WORD.search(text.lower())]
    return sum(map(reflects, worded)) / len(worded) if worded else None
