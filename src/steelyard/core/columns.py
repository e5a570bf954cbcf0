"""Columns that a part reads from rows of data: said once, checked with the row's place, and made up by the checks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from steelyard.core.errors import require, suggest
from steelyard.core.json import JsonMapping

_WORDS = {
    "text": "a text",
    "label": "a text or a whole number",
    "number": "a number",
    "texts": "a list of texts",
    "prompt": 'a text, or chat messages as [{"role": "user", "content": "..."}]',
}


@dataclass(frozen=True)
class Column:
    """A column by name, and what stands in it."""

    name: str
    kind: Literal["text", "label", "number", "texts", "prompt"] = "text"
    """A text, one of a few labels (texts or whole numbers), a number, a list of texts, or a text or chat messages."""
    setting: str = ""
    """The flag that names another column; empty where the name is fixed."""
    labels: tuple[str, ...] = ()
    """The labels that mean something; empty where any do."""


def check_row(row: JsonMapping, columns: Sequence[Column], where: str) -> None:
    """Refuse a row that lacks a column or has another kind of value in it.

    Args:
        row: its values by column.
        columns: what is read.
        where: the file and line that errors name.

    Raises:
        SteelyardError: a value is missing or of another kind.
    """
    for column in columns:
        named = f", or name the column with {column.setting}" if column.setting else ""
        what = f"there is no column {column.name!r}"
        require(column.name in row, what, where=where, hint=f"{suggest(column.name, row)}{named}")
        value = row[column.name]
        fits = _fits(value, column.kind)
        what = f"column {column.name!r} is {value!r:.60}"
        require(fits, what, where=where, hint=f"write {_WORDS[column.kind]}{named}")


def text_of(row: JsonMapping, column: Column, where: str) -> str:
    """The text that stands in a column of a row.

    Args:
        row: its values by column.
        column: which holds the text.
        where: the file and line that errors name.

    Raises:
        SteelyardError: there is no such column, or no text in it.
    """
    check_row(row, [column], where)
    return str(row[column.name])


def is_message(value: object) -> bool:
    """Whether a value is a chat message."""
    return isinstance(value, dict) and isinstance(value.get("role"), str) and isinstance(value.get("content"), str)


def _fits(value: object, kind: str) -> bool:
    if kind == "text":
        return isinstance(value, str) and bool(value.strip())
    if kind == "label":
        return _fits(value, "text") or type(value) is int
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "prompt":
        return _fits(value, "text") or _all(value, is_message)
    return _all(value, lambda one: _fits(one, "text"))


def _all(value: object, fits: Callable[[object], bool]) -> bool:
    return isinstance(value, list) and bool(value) and all(map(fits, value))
