r"""Right answers: what each value of a row's column means, and what it is compared as.

    72, 7.2, "1,234", "50%"    a number, compared exactly; a JSON number with a point to 12 digits
    "3, 4", "(1, 2)"           several numbers; the order counts in ( ) and [ ]
    true                       the words true or yes
    "Paris", "B", "3:30 PM"    words, a choice, a time or date
    "2\sqrt{3}", "x + 1"       a formula, compared by value
    ["72", "seventy-two"]      any of several right answers
    {"value": 5, "aliases": [...]}     its value, or any of its aliases; also {"answer": ...}, {"text": ...}

Of a worked solution the answer is its last `\boxed{}`, else what stands after its last `####`.
"""

import datetime
import decimal
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from steelyard.core import Episode, SteelyardError, suggest
from steelyard.reward.final_answer import MARKER
from steelyard.reward.formula import is_formula
from steelyard.reward.moments import Moment, read_moment
from steelyard.reward.numeral import Numeral, read_numeral
from steelyard.reward.series import Series, read_series
from steelyard.reward.statements import boxes, markers

_FIELDS = ("value", "answer", "text", "ground_truth", "target")
_ALSO = ("aliases", "normalized_aliases")
_HINT = "write a text, a number, true or false, or a list of such answers"


class UnreadableError(ValueError):
    """A value that is no right answer; the text says why."""


@dataclass(frozen=True)
class Gold:
    """One right answer, in all the ways in which it can be read; those that do not apply are None or False."""

    text: str
    numeral: Numeral | None = None
    series: Series | None = None
    moment: Moment | None = None
    formula: bool = False
    rounded: bool = False
    """True for a JSON number with a point: it was rounded when it was written."""

    @property
    def is_words(self) -> bool:
        """True where it is compared as text alone."""
        return not self.formula and self.numeral is None and self.series is None and self.moment is None


def after(text: str, marker: str) -> str | None:
    """What follows the last `marker`, or None where there is none."""
    _, found, tail = text.rpartition(marker)
    return tail.strip() if found else None


def golds_of(value: object) -> tuple[Gold, ...]:
    """The right answers that a value of the column stands for: any of them is right.

    Raises:
        UnreadableError: it stands for none.
    """
    if isinstance(value, str):
        return (_gold_of_text(value),)
    return tuple(_golds(value, nested=False))


def gold_problem(value: object) -> str | None:
    """Why a value is no right answer, for the start of a run to say; None where it can be read."""
    try:
        if isinstance(value, str):
            _stated(value)
        else:
            for _ in _golds(value, nested=False):
                pass
    except UnreadableError as error:
        return str(error)
    return None


def _golds(value: object, *, nested: bool) -> Iterator[Gold]:
    if value is None or _is_nan(value):
        raise UnreadableError(f"the right answer is {'null' if value is None else 'NaN'}")
    if isinstance(value, bool):
        yield from (Gold(word) for word in (("true", "yes") if value else ("false", "no")))
    elif isinstance(value, int | float | decimal.Decimal):
        yield _gold_of_number(value)
    elif isinstance(value, str):
        yield _gold_of_text(value)
    elif isinstance(value, datetime.date | datetime.time):
        yield _gold_of_text(_day_or_time(value).isoformat())
    elif isinstance(value, list | tuple) and not nested:
        yield from _any_of(value)
    elif isinstance(value, Mapping) and not nested:
        yield from _of_object(value)
    else:
        raise UnreadableError(_unknown(value, nested))


def _day_or_time(value: datetime.date | datetime.time) -> datetime.date | datetime.time:
    """A timestamp at midnight is a date: tables often have no other way to hold one."""
    midnight = isinstance(value, datetime.datetime) and value.time() == datetime.time()
    return value.date() if isinstance(value, datetime.datetime) and midnight else value


def _is_nan(value: object) -> bool:
    return value.is_nan() if isinstance(value, decimal.Decimal) else isinstance(value, float) and math.isnan(value)


def _unknown(value: object, nested: bool) -> str:
    kinds = {dict: "an object", list: "a list", tuple: "a list", bytes: "bytes"}
    kind = kinds.get(type(value), f"a {type(value).__name__}")
    return f"the right answer is {kind}{' inside a list or object' if nested else ''}: {_HINT}"


def _any_of(values: list[object] | tuple[object, ...]) -> Iterator[Gold]:
    if not values:
        raise UnreadableError(f"the right answer is an empty list: {_HINT}")
    for value in values:
        yield from _golds(value, nested=True)


def _of_object(fields: Mapping[object, object]) -> Iterator[Gold]:
    named = [name for name in _FIELDS if fields.get(name) is not None]
    if not named:
        shown = ", ".join(str(name) for name in list(fields)[:8]) or "nothing"
        raise UnreadableError(f"the right answer is an object with {shown}, and without {' or '.join(_FIELDS[:2])}")
    value = fields[named[0]]
    yield from _any_of(value) if isinstance(value, list | tuple) else _golds(value, nested=True)
    for name in _ALSO:
        aliases = fields.get(name)
        if isinstance(aliases, list | tuple) and aliases:
            yield from _any_of(aliases)


def _gold_of_number(value: int | float | decimal.Decimal) -> Gold:
    if isinstance(value, float | decimal.Decimal) and not math.isfinite(value):
        raise UnreadableError("the right answer is infinite")
    if abs(value) >= 10**1000:
        raise UnreadableError("the right answer has more than 1000 digits")
    text = number_text(value)
    return Gold(text, numeral=read_numeral(text), rounded=isinstance(value, float))


def number_text(value: int | float | decimal.Decimal) -> str:
    """A number in plain digits: 1e-07 is 0.0000001, and 72.0 is 72."""
    if isinstance(value, int):
        return str(value)
    text = f"{decimal.Decimal(repr(value) if isinstance(value, float) else value):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _stated(text: str) -> str:
    """The answer that a right answer's text states: its last box, else what follows its last marker, else all of it."""
    boxed, cut = boxes(text) if "\\boxed" in text or "\\fbox" in text else ([], False)
    if cut:
        raise UnreadableError("the right answer's last box is not closed")
    if boxed:
        said = boxed[-1].text
        where = "the right answer's last box"
    elif MARKER in text:
        said = markers(text, MARKER)[-1].text
        where = f"the text after the last {MARKER} of the right answer"
    else:
        said = text.strip()
        where = "the right answer"
    if not said:
        raise UnreadableError(f"{where} is empty")
    return said


@lru_cache(maxsize=8192)
def _gold_of_text(text: str) -> Gold:
    said = _stated(text)
    if (moment := read_moment(said)) is not None:
        return Gold(said, moment=moment)
    if (numeral := read_numeral(said)) is not None and _is_number(said, numeral):
        return Gold(said, numeral=numeral)
    if (series := read_series(said)) is not None:
        return Gold(said, series=series)
    return Gold(said, formula=is_formula(said))


def _is_number(text: str, numeral: Numeral) -> bool:
    """False where a text begins with a number and goes on like a name: 12 Angry Men."""
    rest = text.replace(numeral.text, "", 1).strip()
    return (
        "\\text" in text
        or "\\mathrm" in text
        or (len(re.findall(r"[A-Za-z]+", rest)) <= 2 and not re.search(r"[A-Z][a-z]", rest))
    )


def gold_value(episode: Episode, column: str) -> object:
    """The value of the right answer's column.

    Raises:
        SteelyardError: the prompt has no such column, or it is null.
    """
    columns = episode.prompt.columns
    if columns.get(column) is None:
        where = f"column {column!r} of prompt {episode.prompt.id}"
        raise SteelyardError("there is no right answer", where=where, hint=_missing(column, columns))
    return columns[column]


def _missing(column: str, columns: Mapping[str, object]) -> str:
    """How to mend a prompt without a right answer."""
    others = [name for name in columns if name != column]
    if column in columns or not others:
        return (
            "its value is null: give it one, or leave the row out" if column in columns else f"add a column {column!r}"
        )
    return suggest(column, others)


def gold_of(episode: Episode, column: str) -> str:
    """The right answer as text; of a worked solution its last box, or what follows its last marker.

    Raises:
        SteelyardError: the prompt has no such column, or it cannot be read.
    """
    value = gold_value(episode, column)
    try:
        return golds_of(value)[0].text
    except UnreadableError as error:
        where = f"column {column!r} of prompt {episode.prompt.id}"
        raise SteelyardError(str(error), where=where, hint=_HINT) from error
