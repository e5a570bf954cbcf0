"""The roles of a file's columns: which holds the prompt, the right answer, the domain.

A column has no meaning by its name, but for the names that the empty settings of `Columns` stand for. Every column but
the prompt's is passed to reward functions under its own name; the right answer also as `answer`, where the file has no
column of that name.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import tyro

from steelyard.core import SteelyardError, require, suggest
from steelyard.core.json import JsonMapping

PROMPTS = ("prompt", "question", "problem")
ANSWERS = ("answer", "solution", "ground_truth")
_SHOWN = 20  # columns that an error message lists


def prompt_names(column: str) -> Sequence[str]:
    """The names that the prompt's column may have, in order of preference: the one that is named, or else the usual."""
    return (column,) if column else PROMPTS


@dataclass(frozen=True)
class AnswerColumns:
    """Which columns of a file hold the prompt and its answer."""

    prompt: Annotated[str, tyro.conf.arg(name="columns.prompt")] = ""
    """Column with the prompt; empty for the first of prompt, question and problem that a row has."""
    answer: Annotated[str, tyro.conf.arg(name="columns.answer")] = ""
    """Column with the right answer; empty for the first of answer, solution and ground_truth that a row has."""

    @property
    def prompts(self) -> Sequence[str]:
        """The names that the prompt's column may have, in order of preference."""
        return prompt_names(self.prompt)

    @property
    def answers(self) -> Sequence[str]:
        """The names that the answer's column may have, in order of preference."""
        return (self.answer,) if self.answer else ANSWERS


@dataclass(frozen=True)
class Columns(AnswerColumns):
    """Which column of a file plays which role."""

    domain: Annotated[str, tyro.conf.arg(name="columns.domain")] = ""
    """Column with the domain, for objectives and curricula that need one; empty for none. Texts are numbered in
    alphabetical order."""


def column_of(row: JsonMapping, names: Sequence[str], role: str, where: str) -> str:
    """The first of the names that the row has a value for; else the first that it has at all.

    Args:
        row: a row of a file.
        names: what the column may be called.
        role: the setting of `Columns` that names another.
        where: the place that errors name.

    Raises:
        SteelyardError: it has none of them.
    """
    present = [name for name in names if name in row]
    filled = [name for name in present if row[name] is not None]
    if present:
        return (filled or present)[0]
    shown = list(row)[:_SHOWN]
    near = next((c for c in shown if suggest(c, names).startswith("did you mean")), None)
    hint = f"rename {near!r} to {names[0]!r}" if near else f"name a column {' or '.join(map(repr, names))}"
    more = f" and {len(row) - _SHOWN} more" if len(row) > _SHOWN else ""
    what = f"there is no {' or '.join(names)}; its columns are {', '.join(shown) or 'none'}{more}"
    raise SteelyardError(what, where=where, hint=f"{hint}, or say which it is with --columns.{role}")


def is_missing(value: object) -> bool:
    """True for null and for nan, which is how a table of numbers writes it."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def number_domains(values: Iterable[tuple[str, object]]) -> Mapping[str | int, int]:
    """Domain -> its number: whole numbers are their own, texts are numbered from 0 in alphabetical order.

    Args:
        values: place and domain of each row.

    Raises:
        SteelyardError: a domain is missing, or neither a text nor a whole number.
    """
    seen: dict[str | int, str] = {}
    for where, value in values:
        require(not is_missing(value), "has no domain", where=where, hint="write one, or leave out --columns.domain")
        if not isinstance(value, str | int):
            hint = "write a text or a whole number"
            raise SteelyardError(f"its domain is {value!r:.60}", where=where, hint=hint)
        seen.setdefault(value, where)
    whole = [value for value in seen if isinstance(value, int) and not isinstance(value, bool)]
    if len(whole) == len(seen):
        return {value: value for value in sorted(whole)}
    return {value: number for number, value in enumerate(sorted(seen, key=_alphabetical))}


def _alphabetical(value: str | int) -> tuple[str, str]:
    return str(value), type(value).__name__
