"""Whether a completion's final answer is the right one: numbers by value, words as text, formulas by math-verify.

    right answer      accepted                                            never accepted
    a number          a final number of that value                        an expression that still has to be worked out
    several numbers   the same numbers                                    one of them, or more of them
    a date or time    the same date or time
    words             the same words                                      their letters in another order
    a formula         a formula of that value (told by the caller)        an expression that stands in the prompt

Nothing here evaluates what a completion says, and a check costs microseconds.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Annotated

import tyro

from steelyard.core import Prompt, checked
from steelyard.reward.final_answer import Found
from steelyard.reward.formula import final_expression, lists_several, same_formula, stands_in
from steelyard.reward.gold import Gold
from steelyard.reward.latex import plain
from steelyard.reward.moments import read_moment
from steelyard.reward.numeral import Numeral, Units, is_quotient, read_numeral
from steelyard.reward.running_text import equation, first_number, last_list, last_number, placed_numerals, without_lead
from steelyard.reward.series import read_series, series_of
from steelyard.reward.words import last_named, same_words, words_of

SHOWN = 200
"""Characters of an answer that records keep."""
_HEDGED = re.compile(r"\b(?:or|maybe|perhaps)[\s$]*$", re.IGNORECASE)
_ROUNDING = Fraction(1, 10**12)
_ASKED = 2000
"""Characters of a prompt, from its end, in which its numbers are looked for."""


@checked("check")
@dataclass(frozen=True)
class AnswerCheck:
    """How strictly an answer is compared with the right one.

    On a command line these are --check.units and --check.percent, whatever they are a part of.
    """

    units: Annotated[Units, tyro.conf.arg(name="check.units", prefix_name=False)] = "strip"
    """Units and currency of a number: strip passes over them, strict wants those of the right answer."""
    percent: Annotated[bool, tyro.conf.arg(name="check.percent", prefix_name=False)] = False
    """True where right answers are percentages without their sign: 50 and 50% are then equal. Always, 50% is 0.5."""


@dataclass(frozen=True)
class Verdict:
    """What came of a comparison; `formula` is what is left to be compared by value."""

    right: bool
    read: str | None = None
    formula: str | None = None


def prompt_text(prompt: Prompt) -> str:
    """The prompt as one text; of chat messages their contents, one after the other."""
    if isinstance(prompt.text, str):
        return prompt.text
    return "\n".join(message.get("content") or "" for message in prompt.text)


def judge(gold: Gold, found: Found | None, prompt: str, check: AnswerCheck) -> Verdict:
    """Compare a final answer with one right answer.

    Args:
        gold: the right answer.
        found: the completion's final answer; None where it has none.
        prompt: the prompt's text.
        check: how strictly.
    """
    if found is None or not found.text:
        return Verdict(False)
    if gold.numeral is not None:
        return _judge_number(gold, gold.numeral, found, prompt, check)
    read = _shown(found.text)
    if gold.series is not None:
        given = [series_of(texts, check.units) for texts in (_listed(found), *((text,) for text in found.later))]
        right = given[0] is not None and all(one is None or gold.series.equals(one) for one in given)
        return Verdict(right, read)
    if _is_disputed(found):
        return Verdict(False, read)
    if gold.moment is not None:
        said = (found.text, without_lead(found.text), *_moments_named(found))
        return Verdict(any(read_moment(text) == gold.moment for text in said) or same_words(said[0], gold.text), read)
    if gold.formula:
        return _judge_formula(gold, found, prompt)
    named = last_named(found.text) if found.place == "last" else ""
    if named and same_words(named, gold.text):
        return Verdict(True, _shown(named))
    return Verdict(same_words(found.text, gold.text), read)


def _shown(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def _listed(found: Found) -> tuple[str, ...]:
    if len(found.side_by_side) > 1:
        return found.side_by_side
    if found.place == "last" and read_series(found.text) is None and (listed := last_list(found.text)):
        return listed
    return (found.text if found.place == "whole" else without_lead(plain(found.text)),)


def _is_disputed(found: Found) -> bool:
    """True where answers side by side, or a later one of a few words, say something else."""
    if len(found.side_by_side) > 2:
        return True
    said = words_of(found.text)
    beside = {words_of(text) for text in found.side_by_side}
    later = {words_of(text) for text in found.later if len(text.split()) <= 3}
    return len(beside) > 1 or bool(later - {said})


def _moments_named(found: Found) -> list[str]:
    """What a sentence may name as a time or date: what it says last of a thing, and what follows its "at" or "on"."""
    named = last_named(found.text)[-100:] if found.place == "last" else ""
    return [named, named[at.end() :] if (at := re.search(r".*\b(?:at|on)\s+", named)) else ""] if named else []


def _judge_formula(gold: Gold, found: Found, prompt: str) -> Verdict:
    text = found.text if found.place == "whole" else final_expression(found.text) or found.text
    read = _shown(text)
    before = found.text[: max(found.text.rfind(text), 0)]
    several = lists_several(text) or _HEDGED.search(before) is not None
    if several and not lists_several(gold.text):
        return Verdict(False, read)
    if same_formula(text, gold.text) or same_words(text, gold.text):
        return Verdict(True, read)
    if stands_in(text, prompt):
        return Verdict(False, read)
    return Verdict(False, read, formula=text)


def _judge_number(gold: Gold, right: Numeral, found: Found, prompt: str, check: AnswerCheck) -> Verdict:
    given = number_of(found, check.units)
    if given is None:
        return Verdict(False, _shown(found.text))
    same = _same_value(gold, right, given, check)
    if check.units == "strict":
        kept = read_numeral(gold.text, "strict")
        same = same and kept is not None and kept.unit == given.unit
    return Verdict(same and _is_worked_out(right, given, prompt), _shown(given.text))


def number_of(found: Found, units: Units) -> Numeral | None:
    """The number that a final answer is; None where it is none, or where several answers disagree."""
    if len(found.side_by_side) > 2:
        return None
    given = _read(found.text, found.place, units)
    beside = [_read(text, "whole" if found.source == "box" else "first", units) for text in found.side_by_side[:-1]]
    if given is None or (found.source == "box" and None in beside):
        return None
    others = [*beside, *(first_number(text, units) for text in found.later)]
    agree = all(other is None or other.value == given.value for other in others)
    return given if agree else None


def _read(text: str, place: str, units: Units) -> Numeral | None:
    if place == "first":
        return first_number(text, units)
    if place == "last":
        return last_number(text, units)
    return read_numeral(text, units) or equation(plain(text), units)


def _same_value(gold: Gold, right: Numeral, given: Numeral, check: AnswerCheck) -> bool:
    wanted = {right.value}
    if right.form == "percent" and given.form != "percent":
        wanted.add(right.value * 100)
    elif check.percent and right.form != "percent":
        wanted.add(right.value / 100)
    if gold.rounded:
        return any(abs(given.value - value) <= _ROUNDING * abs(value) for value in wanted)
    return given.value in wanted


def _is_worked_out(right: Numeral, given: Numeral, prompt: str) -> bool:
    """False for a quotient that somebody still has to divide, and for a number that the prompt has in that form."""
    if given.key == right.key:
        return True
    if is_quotient(given):
        return False
    keys, wholes = _numbers_of(prompt)
    if given.form == "fraction":
        top, bottom = given.written
        if Fraction(top, bottom).denominator != bottom and {abs(top), bottom} <= wholes:
            return False
    if given.form == "plain" and right.form in ("plain", "fraction", "mixed") and given.value.denominator == 1:
        return True
    return given.form == right.form == "plain" or given.key not in keys


@lru_cache(maxsize=1024)
def _numbers_of(prompt: str) -> tuple[frozenset[object], frozenset[int]]:
    """The numbers of a prompt as they are written, and the whole ones among them."""
    read = [placed.numeral for placed in placed_numerals(plain(prompt[-_ASKED:]))]
    numerals: Sequence[Numeral] = [one for one in read if one is not None]
    wholes = frozenset(int(one.value) for one in numerals if one.form == "plain" and one.value.denominator == 1)
    return frozenset(one.key for one in numerals), wholes
