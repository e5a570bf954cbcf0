"""Conversations with a summary each, from a file: what a retriever of conversations learns from.

Rows have a column `turns`, a list of texts of which the user wrote the last, and a column `summary`, what the user now
wants; perhaps also `state`, a text or a whole number that says the same to a program. Rows without a summary get one by
`steelyard train conversation-summaries`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import tyro

from steelyard.core import require
from steelyard.core.columns import Column, check_row
from steelyard.core.json import JsonMapping
from steelyard.task.files import read_rows


@dataclass(frozen=True)
class Conversation:
    """What was said, and what the user now wants."""

    turns: tuple[str, ...]
    """The last is the user's."""
    summary: str
    state: str = ""
    """What two conversations that ask for the same have in common; empty where nobody says."""

    @property
    def text(self) -> str:
        """All turns, one to a line."""
        return "\n".join(self.turns)


@dataclass(frozen=True)
class ConversationColumns:
    """Which column of a file plays which role."""

    turns: Annotated[str, tyro.conf.arg(name="columns.turns")] = "turns"
    """Column with the turns, a list of texts of which the user wrote the last."""
    summary: Annotated[str, tyro.conf.arg(name="columns.summary")] = "summary"
    """Column with what the user now wants, in words."""
    state: Annotated[str, tyro.conf.arg(name="columns.state")] = "state"
    """Column with the same as a label, by which retrieval is measured; a file need not have it."""

    def read(self, path: str, flag: str) -> list[Conversation]:
        """The rows of a file in order.

        Args:
            path: JSONL or Parquet.
            flag: the setting that names it, for errors.

        Raises:
            SteelyardError: the file is missing or malformed, or a row lacks a column; or only some rows have a state.
        """
        hint = "name a .jsonl or .parquet file with turns and summary"
        require(bool(path), "is missing", where=flag, hint=hint)
        found = [self.conversation(row, f"{path}, {place}") for place, row in read_rows(path)]
        told = sum(bool(one.state) for one in found)
        what = f"{told} of {len(found)} rows have a {self.state}"
        require(told in (0, len(found)), what, where=path, hint="write one in every row, or in none")
        return found

    def conversation(self, row: JsonMapping, where: str) -> Conversation:
        """One row; `where` is its place, for errors.

        Raises:
            SteelyardError: it lacks a column, or has another kind of value in it.
        """
        wanted = [Column(self.turns, "texts", "--columns.turns"), Column(self.summary, "text", "--columns.summary")]
        state = Column(self.state, "label", "--columns.state")
        check_row(row, [*wanted, *([state] if row.get(self.state) is not None else [])], where)
        turns: Sequence[str] = row[self.turns]
        told = row.get(self.state)  # 0 is a state, too
        return Conversation(tuple(turns), str(row[self.summary]), "" if told is None else str(told))
