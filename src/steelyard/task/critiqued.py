"""Responses with what somebody said of them, from a file: a score, a critique, and how to do better.

    {"prompt": "...", "response": "...", "score": 2, "critique": "Polite, but it names no source."}
    {"prompt": "...", "response": "...", "refinement": "Name a source.", "next": "..."}

`score` and `critique` say how good a response is; a row may have either or both. `refinement` says what to change, and
`next` is the response that came of it; several turns are lists of as many texts. A row may have both kinds. Texts
follow each other letter by letter, or in a chat as messages. Other columns are the prompt's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import tyro

from steelyard.core import Prompt, require
from steelyard.core.columns import Column, check_row, text_of
from steelyard.core.json import JsonMapping
from steelyard.task.base import make_prompt
from steelyard.task.columns import column_of, is_missing, prompt_names
from steelyard.task.files import read_rows
from steelyard.task.wording import Wording


@dataclass(frozen=True)
class CritiquedColumns:
    """Which column of a file plays which role."""

    prompt: Annotated[str, tyro.conf.arg(name="columns.prompt")] = ""
    """Column with the prompt; empty for the first of prompt, question and problem that a row has."""
    response: Annotated[str, tyro.conf.arg(name="columns.response")] = "response"
    """Column with the response."""
    score: Annotated[str, tyro.conf.arg(name="columns.score")] = "score"
    """Column with its score, a number; higher is better."""
    critique: Annotated[str, tyro.conf.arg(name="columns.critique")] = "critique"
    """Column that says what is good and bad in it."""
    refinement: Annotated[str, tyro.conf.arg(name="columns.refinement")] = "refinement"
    """Column that says what to change: a text, or a list with one for each turn."""
    next: Annotated[str, tyro.conf.arg(name="columns.next")] = "next"
    """Column with the response to the refinement, likewise."""


@dataclass(frozen=True)
class Critiqued:
    """A response to a prompt, and what was said of it."""

    prompt: Prompt
    response: str
    score: float | None = None
    critique: str = ""
    turns: tuple[tuple[str, str], ...] = ()
    """What was to be changed, and the next response, turn by turn."""

    @property
    def rated(self) -> bool:
        """Whether anything says how good the response is."""
        return self.score is not None or bool(self.critique)


@dataclass(frozen=True)
class CritiquedFile(Wording):
    """How rows become responses with feedback."""

    columns: CritiquedColumns = field(default_factory=CritiquedColumns)
    """Which column plays which role."""

    def read(self, path: str, flag: str) -> list[Critiqued]:
        """The rows of a file in order.

        Args:
            path: JSONL or Parquet.
            flag: the setting that names it, for errors.

        Raises:
            SteelyardError: the file is missing or malformed, or a row has no response or no feedback.
        """
        hint = "name a .jsonl or .parquet file with prompt, response, and score, critique or refinement"
        require(bool(path), "is missing", where=flag, hint=hint)
        return [self.critiqued(row, f"{path}, {place}") for place, row in read_rows(path)]

    def critiqued(self, row: JsonMapping, where: str) -> Critiqued:
        """One row; `where` is its place, for errors.

        Raises:
            SteelyardError: it has no prompt, no response or no feedback, or as many refinements as responses to them.
        """
        names = self.columns
        column = column_of(row, prompt_names(names.prompt), "prompt", where)
        taken = {column, names.response, names.score, names.critique, names.refinement, names.next}
        rest = {name: value for name, value in row.items() if name not in taken}
        prompt = make_prompt(self.prompt(row[column], column, where), rest, place=where)
        response = text_of(row, Column(names.response, "text", "--columns.response"), where)
        score = None
        if not is_missing(row.get(names.score)):
            check_row(row, [Column(names.score, "number", "--columns.score")], where)
            score = float(row[names.score])
        critique = "" if not _is_said(row, names.critique) else text_of(row, Column(names.critique), where)
        told, said = (_texts(row, name, where) for name in (names.refinement, names.next))
        what = f"it has {len(told)} refinements and {len(said)} next responses"
        hint = f"write as many texts in {names.next!r} as in {names.refinement!r}"
        require(len(told) == len(said), what, where=where, hint=hint)
        one = Critiqued(prompt, response, score, critique, tuple(zip(told, said, strict=True)))
        hint = f"write {names.score!r}, {names.critique!r}, or {names.refinement!r} and {names.next!r}"
        require(one.rated or bool(one.turns), "nothing is said of its response", where=where, hint=hint)
        return one


def _is_said(row: JsonMapping, column: str) -> bool:
    value = row.get(column)
    return not is_missing(value) and value not in ("", [])


def _texts(row: JsonMapping, column: str, where: str) -> Sequence[str]:
    """The texts of a column: none, one, or a list."""
    if not _is_said(row, column):
        return ()
    if isinstance(row[column], list):
        check_row(row, [Column(column, "texts")], where)
        return row[column]
    return (text_of(row, Column(column), where),)
