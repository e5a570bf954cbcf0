"""Prompts with given answers from a file: for what learns from answers as they stand, without a verifier.

Rows have a column `prompt` (or `question`, `problem`; a string or chat messages) and a column `answer` (or `solution`,
`ground_truth`, `completion`; a text or a number), or else `messages` that end with the assistant's; perhaps also
`wrong`, a list of wrong answers of the same form. The answer is what follows the prompt, letter by letter: where a
space belongs between them, the prompt ends or the answer begins with it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import tyro

from steelyard.core import Prompt, SteelyardError, require
from steelyard.core.foreign_rows import with_prompt
from steelyard.core.json import JsonMapping, JsonObject
from steelyard.task.base import MERGED, make_prompt
from steelyard.task.columns import ANSWERS, AnswerColumns, column_of, is_missing
from steelyard.task.files import read_rows
from steelyard.task.wording import Wording


@dataclass(frozen=True)
class AnsweredColumns(AnswerColumns):
    """Which column of a file plays which role."""

    wrong: Annotated[str, tyro.conf.arg(name="columns.wrong")] = "wrong"
    """Column with a list of wrong answers, for audits; a file need not have it."""
    reworded: Annotated[str, tyro.conf.arg(name="columns.reworded")] = "reworded"
    """Column with a list of the prompt in other words, for audits; a file need not have it."""

    @property
    def answers(self) -> Sequence[str]:
        """The names that the answer's column may have: also TRL's, whose completions are what is to be learned."""
        return (self.answer,) if self.answer else (*ANSWERS, "completion")


@dataclass(frozen=True)
class Answered:
    """A prompt with its answer, and wrong answers where the row has some."""

    prompt: Prompt
    answer: str
    wrong: tuple[str, ...] = ()
    reworded: tuple[Prompt, ...] = ()
    """The prompt in other words."""


@dataclass(frozen=True)
class AnsweredFile(Wording):
    """How rows with answers become prompts and texts."""

    columns: AnsweredColumns = field(default_factory=AnsweredColumns)
    """Which column plays which role."""

    def read(self, path: str, flag: str) -> tuple[list[Answered], Counter[str]]:
        """The rows of a file in order, of equal ones the first; and how many were merged.

        Args:
            path: JSONL or Parquet.
            flag: the setting that names it, for errors.

        Raises:
            SteelyardError: the file is missing or malformed, or a row has no prompt or no answer.
        """
        require(bool(path), "is missing", where=flag, hint="name a .jsonl or .parquet file with prompt and answer")
        found: dict[tuple[str, str, tuple[str, ...]], Answered] = {}
        rows = read_rows(path)
        for place, row in rows:
            one = self.answered(row, f"{path}, {place}")
            found.setdefault((one.prompt.id, one.answer, one.wrong), one)
        merged = len(rows) - len(found)
        return [*found.values()], Counter({MERGED: merged} if merged else {})

    def answered(self, row: JsonMapping, where: str) -> Answered:
        """One row; `where` is its place, for errors.

        Raises:
            SteelyardError: it has no prompt or no answer.
        """
        row = with_prompt(row, where, self.columns.prompts)
        name = column_of(row, self.columns.prompts, "prompt", where)
        prompt = self.prompt(row[name], name, where)
        column = column_of(row, self.columns.answers, "answer", where)
        hint = "say which holds the answer with --columns.answer"
        require(column != name, f"the prompt and the answer are both {name!r}", where=where, hint=hint)
        answer = _text(row[column], column, where)
        known = {"answer": answer}
        wrong = (_text(text, self.columns.wrong, where) for text in self._listed(row, self.columns.wrong, where))
        name = self.columns.reworded
        others = (self.prompt(text, name, where) for text in self._listed(row, name, where))
        reworded = (make_prompt(text, known, place=where) for text in others)
        return Answered(make_prompt(prompt, known, place=where), answer, tuple(wrong), tuple(reworded))

    def asked(self, row: JsonMapping, where: str, *, answered: bool, hint: str = "write it") -> Prompt:
        """The prompt of a row with its other columns, the answer among them as `answer`, for whatever scores.

        Args:
            row: a row of the file.
            where: its place, for errors.
            answered: whether it must have an answer.
            hint: how to mend an answer that is empty.

        Raises:
            SteelyardError: it has no prompt, or no answer and needs one.
        """
        row = with_prompt(row, where, self.columns.prompts)
        name = column_of(row, self.columns.prompts, "prompt", where)
        columns = {column: value for column, value in row.items() if column != name}
        if answered:
            answer = column_of(row, self.columns.answers, "answer", where)
            require(not is_missing(row[answer]), f"column {answer!r} is empty", where=where, hint=hint)
            columns["answer"] = row[answer]
        return make_prompt(self.prompt(row[name], name, where), columns, place=where)

    def _listed(self, row: JsonMapping, column: str, where: str) -> Sequence[object]:
        """What stands in the list of a column; nothing where a file has no such column."""
        value = row.get(column)
        if is_missing(value):
            return ()
        what = {self.columns.wrong: "wrong answers", self.columns.reworded: "prompts in other words"}[column]
        require(
            isinstance(value, list),
            f"column {column!r} is no list of {what}",
            where=where,
            hint="write a list of texts",
        )
        assert isinstance(value, list)
        return value


def as_columns(number: int, counts: Counter[str]) -> JsonObject:
    """What data.json and the plan say of a file: its rows, and what was merged."""
    return {"rows": number, "notes": dict(counts)}


def same_number_of_wrong(rows: Sequence[Answered], path: str) -> int:
    """How many wrong answers each row has.

    Raises:
        SteelyardError: the rows differ in that: their truth ratios could not be compared.
    """
    first = len(rows[0].wrong)
    other = next((row for row in rows if len(row.wrong) != first), None)
    if other is not None:
        what = f"it has {len(other.wrong)} wrong answers, and the first row of {path} has {first}"
        hint = "give every row as many, or none"
        raise SteelyardError(what, where=other.prompt.place, hint=hint)
    return first


def _text(value: object, column: str, where: str) -> str:
    """An answer as text; numbers are written as JSON writes them."""
    missing = is_missing(value) or (isinstance(value, str) and not value.strip())
    require(not missing, f"there is no answer: column {column!r} is empty", where=where, hint="write it")
    kind = isinstance(value, str | int | float) and not isinstance(value, bool)
    require(kind, f"column {column!r} is neither text nor number", where=where, hint="write the answer as a text")
    return str(value)
