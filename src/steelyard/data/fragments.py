"""Fragments of an answer, such as statements or steps, and which of them are right."""

import itertools
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Graded:
    """An answer, fragment by fragment."""

    text: str
    """The answer, up to the marker where it has one."""
    fragments: tuple[str, ...]
    """Together they are the text."""
    right: tuple[bool, ...]
    """Which of them are right."""
    halted: bool = False
    """Whether a marker follows, by which the answer says that it knows no more."""

    @property
    def correct(self) -> int:
        """Fragments that are right."""
        return sum(self.right)

    @property
    def accuracy(self) -> float:
        """Share of the fragments that are right; 0 of an answer that says nothing."""
        return self.correct / len(self.right) if self.right else 0.0


def fragments(text: str, pattern: str) -> list[str]:
    """The fragments of a text, which together are the text: each ends where a match of the pattern ends.

    Blank ones belong to the one before, at the beginning to the one after; a blank text has none.
    """
    bounds = sorted({0, len(text), *(match.end() for match in re.finditer(pattern, text))})
    found: list[str] = []
    for start, end in itertools.pairwise(bounds):
        part = text[start:end]
        if found and not (part.strip() and found[-1].strip()):
            found[-1] += part
        else:
            found.append(part)
    return found if text.strip() else []
