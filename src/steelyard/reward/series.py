r"""Answers of several numbers: "3, -4" as the roots of an equation, "(1, 2)" as a point, "\{1, 2, 3\}" as a set.

The order counts in ( ) and [ ]. Bare lists and sets are compared in any order, and a bare list may also be answered in
brackets or in several boxes.
"""

import re
from dataclasses import dataclass
from fractions import Fraction

from steelyard.reward.latex import plain
from steelyard.reward.numeral import Numeral, Units, read_numeral

_BRACKETS = {"(": ")", "[": "]", "{": "}"}
_WIDE = re.compile(r"\s*(?:[,;]\s+(?:and|or)\s|;|,\s+|\band\b|\bor\b)\s*", re.IGNORECASE)
_NARROW = re.compile(r"\s*[,;]\s*")
_NAMED = re.compile(r"^[A-Za-z](?:_\{?\w\}?)?\s*=\s*")
_MOST = 1000


@dataclass(frozen=True)
class Series:
    """Several numbers, and the bracket around them ("" for none)."""

    numerals: tuple[Numeral, ...]
    bracket: str

    @property
    def ordered(self) -> bool:
        """True where the order counts."""
        return self.bracket in ("(", "[")

    def equals(self, other: "Series") -> bool:
        """True where `other`, a completion's, is this right answer."""
        mine = [one.value for one in self.numerals]
        given = [one.value for one in other.numerals]
        if not self.ordered:
            return _any_order(mine, given)
        return mine == given and other.bracket in (self.bracket, "")


def _any_order(one: list[Fraction], other: list[Fraction]) -> bool:
    return sorted(one) == sorted(other)


def read_series(text: str, units: Units = "strip") -> Series | None:
    """The numbers that the whole text lists, two or more; None where it is no such list."""
    if len(text) > 20 * _MOST:
        return None
    shown = plain(text).replace("\\{", "{").replace("\\}", "}").rstrip(".").strip()
    shown = _NAMED.sub("", shown)
    if shown.startswith(("\\pm", "±")):
        both = shown.removeprefix("\\pm").removeprefix("±").strip()
        return _series([both, f"-{both}"], "", units)
    bracket = shown[:1] if shown[:1] in _BRACKETS and shown[-1:] == _BRACKETS[shown[:1]] else ""
    inner = shown[1:-1] if bracket else shown
    parts = _WIDE.split(inner.strip())
    if len(parts) < 2:
        parts = _NARROW.split(inner.strip())
    if not 2 <= len(parts) <= _MOST:
        return None
    return _series([_NAMED.sub("", part) for part in parts], bracket, units)


def _series(parts: list[str], bracket: str, units: Units) -> Series | None:
    numerals: list[Numeral] = []
    kinds: set[str] = set()
    for part in parts:
        numeral = read_numeral(part, units)
        dressed = read_numeral(part, "strict")
        if numeral is None or dressed is None:
            return None
        kinds |= {dressed.unit} - {""}
        numerals.append(numeral)
    # 3 cats and 2 dogs are no list of numbers
    return Series(tuple(numerals), bracket) if len(kinds) < 2 else None


def series_of(texts: tuple[str, ...], units: Units) -> Series | None:
    """The numbers of a group of answers side by side: one list, or one number in each."""
    if len(texts) == 1:
        return read_series(texts[0], units)
    return _series(list(texts), "", units)
