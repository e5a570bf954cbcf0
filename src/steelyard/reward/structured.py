"""Structured outputs: JSON objects of a rationale and an action, where these stand in a text, and how fields pay.

    {"rationale": "I want ...", "action": {"type": "click", "name": "..."}}

Other keys may stand beside the two.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from steelyard.core import NonNegative, checked, require

_BLANKS = " \t\n\r"


@checked("shop-r1")
@dataclass(frozen=True)
class FieldReward:
    """What a field of an action pays, where the right action has it too."""

    name: str
    """Its key."""
    given: NonNegative = 0.1
    """For giving a text at all."""
    similar: NonNegative = 1.0
    """For its ROUGE-L with the right one."""
    hard: bool = True
    """Whether this counts `difficulty` times, as of long texts that are seldom right by chance."""


@checked("shop-r1")
@dataclass(frozen=True)
class TypeReward:
    """What an action of a type pays, where the type is right."""

    type: str
    """Its name."""
    weight: NonNegative = 0.3
    """For the type."""
    fields: tuple[FieldReward, ...] = ()
    """For its fields."""

    def __post_init__(self) -> None:
        names = [field.name for field in self.fields]
        what = f"has a field twice: {', '.join(names)}"
        require(len({*names}) == len(names), what, where=f"shop-r1, type {self.type!r}", hint="name each field once")


class Output(NamedTuple):
    """A structured output."""

    rationale: str
    action: Mapping[str, object]
    span: tuple[int, int]
    """Where the rationale stands: the characters before it, and those up to its end."""


def output_of(text: str, rationale: str, action: str) -> Output | None:
    """The output in a text that is a JSON object with both keys, a text and an object; None where it is none."""
    found = object_of(text)
    said, done = (found.get(rationale), found.get(action)) if found else (None, None)
    if not isinstance(said, str) or not isinstance(done, dict):
        return None
    try:
        start, end = dict(members(text))[rationale]
    except (ValueError, RecursionError):  # a number of more digits, or deeper nesting, than Python reads
        return None
    return Output(said, done, (start + 1, end - 1))  # without the quotation marks


def object_of(value: object) -> Mapping[str, object] | None:
    """A JSON object, or the one that a text is; None where it is none."""
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except (ValueError, RecursionError):  # of msgspec: its errors are ValueErrors
            return None
    return {str(key): one for key, one in value.items()} if isinstance(value, dict) else None


def members(text: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """Each key of a text that is a JSON object, with where its value begins and ends."""
    reader = json.JSONDecoder(strict=False)
    at = _next(text, text.index("{") + 1)
    while text[at] != "}":
        key, at = reader.raw_decode(text, at)
        start = _next(text, _next(text, at) + 1)  # after the colon
        _, end = reader.raw_decode(text, start)
        yield key, (start, end)
        at = _next(text, end)
        at = _next(text, at + 1) if text[at] == "," else at


def _next(text: str, at: int) -> int:
    """The first place from there on that is not blank."""
    while text[at] in _BLANKS:
        at += 1
    return at


def told(value: object) -> str:
    """What a field says, as text; empty where it says nothing, or holds no single value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).strip() if isinstance(value, str | int | float) else ""
