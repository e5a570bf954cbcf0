"""Prompts with an answer for each of three modes, from a file: helpful within bounds, unfiltered, and a refusal.

    {"prompt": "...", "positive": "...", "negative": "...", "rejective": "..."}
    {"prompt": "...", "answer": "..."}

A row of the first kind has answers for two modes or three; one of the second is ordinary data, whose answer is the same
in every mode. Texts follow each other letter by letter. Other columns are the prompt's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

import tyro

from steelyard.core import Prompt, require
from steelyard.core.columns import Column, text_of
from steelyard.core.json import JsonMapping
from steelyard.task.base import make_prompt
from steelyard.task.columns import column_of, is_missing, prompt_names
from steelyard.task.files import read_rows
from steelyard.task.wording import Wording

Mode = str
"""One of `MODES`."""
MODES: tuple[Mode, ...] = ("positive", "negative", "rejective")


@dataclass(frozen=True)
class ModedColumns:
    """Which column of a file plays which role."""

    prompt: Annotated[str, tyro.conf.arg(name="columns.prompt")] = ""
    """Column with the prompt; empty for the first of prompt, question and problem that a row has."""
    positive: Annotated[str, tyro.conf.arg(name="columns.positive")] = "positive"
    """Column with the safe and helpful answer."""
    negative: Annotated[str, tyro.conf.arg(name="columns.negative")] = "negative"
    """Column with the unfiltered answer."""
    rejective: Annotated[str, tyro.conf.arg(name="columns.rejective")] = "rejective"
    """Column with the refusal."""
    answer: Annotated[str, tyro.conf.arg(name="columns.answer")] = "answer"
    """Column with the answer of ordinary data."""


@dataclass(frozen=True)
class Moded:
    """A prompt with an answer for each mode, or with one for all of them."""

    prompt: Prompt
    answers: Mapping[Mode, str]
    """Mode -> the answer; empty in ordinary data."""
    ordinary: str = ""
    """The answer in every mode; empty where they differ."""


@dataclass(frozen=True)
class ModedFile(Wording):
    """How rows become prompts with answers for each mode."""

    columns: ModedColumns = field(default_factory=ModedColumns)
    """Which column plays which role."""

    def read(self, path: str, flag: str) -> list[Moded]:
        """The rows of a file in order.

        Args:
            path: JSONL or Parquet.
            flag: the setting that names it, for errors.

        Raises:
            SteelyardError: the file is missing or malformed, or a row has no prompt or too few answers.
        """
        hint = "name a .jsonl or .parquet file with prompt, positive, negative and rejective"
        require(bool(path), "is missing", where=flag, hint=hint)
        return [self.moded(row, f"{path}, {place}") for place, row in read_rows(path)]

    def moded(self, row: JsonMapping, where: str) -> Moded:
        """One row; `where` is its place, for errors.

        Raises:
            SteelyardError: it has no prompt, too few answers, or two that are alike.
        """
        names = self.columns
        column = column_of(row, prompt_names(names.prompt), "prompt", where)
        own: dict[Mode, str] = dict(zip(MODES, (names.positive, names.negative, names.rejective), strict=True))
        answers = {mode: _answer(row, name, mode, where) for mode, name in own.items() if not is_missing(row.get(name))}
        ordinary = "" if answers or is_missing(row.get(names.answer)) else _answer(row, names.answer, "answer", where)
        what = f"it has {len(answers)} of {', '.join(own.values())}"
        hint = f"write two of them or all, or {names.answer!r} for ordinary data"
        require(len(answers) > 1 or bool(ordinary), what, where=where, hint=hint)
        apart = len({*answers.values()}) == len(answers)
        require(
            apart, "two modes have the same answer", where=where, hint=f"call it {names.answer!r}, or tell them apart"
        )
        taken = {column, names.answer, *own.values()}
        rest = {name: value for name, value in row.items() if name not in taken}
        return Moded(make_prompt(self.prompt(row[column], column, where), rest, place=where), answers, ordinary)


def _answer(row: JsonMapping, column: str, role: str, where: str) -> str:
    return text_of(row, Column(column, "text", f"--columns.{role}"), where)
