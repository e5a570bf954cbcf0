"""Questions with rationales, and the passages that they find, from files: what KARD learns from."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

import tyro

from steelyard.core import Prompt, require
from steelyard.core.columns import Column, check_row, text_of
from steelyard.core.json import JsonMapping
from steelyard.data.bm25 import BM25, Index
from steelyard.task.answered import AnsweredColumns, AnsweredFile
from steelyard.task.base import make_prompt
from steelyard.task.columns import column_of
from steelyard.task.files import read_rows


@dataclass(frozen=True)
class ReasonedColumns(AnsweredColumns):
    """Which column of a file plays which role."""

    rationale: Annotated[str, tyro.conf.arg(name="columns.rationale")] = "rationale"
    """Column with the rationale, which ends where the answer begins."""


@dataclass(frozen=True)
class Reasoned:
    """A question with its rationale and answer."""

    question: str
    """As it stands in its column: what is searched by."""
    rationale: str
    answer: str
    place: str


@dataclass(frozen=True)
class ReasonedFile(AnsweredFile):
    """How rows become questions with rationales."""

    columns: ReasonedColumns = field(default_factory=ReasonedColumns)
    """Which column plays which role."""

    def reasoned(self, path: str, flag: str) -> list[Reasoned]:
        """The rows of a file in order, equal ones once.

        Args:
            path: JSONL or Parquet.
            flag: the setting that names it, for errors.

        Raises:
            SteelyardError: the file is missing or malformed, or a row has no question, rationale or answer.
        """
        hint = "name a .jsonl or .parquet file with prompt, rationale and answer"
        require(bool(path), "is missing", where=flag, hint=hint)
        rows = [self.one(row, f"{path}, {place}") for place, row in read_rows(path)]
        return [*{replace(one, place=""): one for one in reversed(rows)}.values()][::-1]

    def one(self, row: JsonMapping, where: str) -> Reasoned:
        """One row; `where` is its place, for errors.

        Raises:
            SteelyardError: it has no question that is a text, no rationale or no answer.
        """
        answered = self.answered(row, where)
        name = column_of(row, self.columns.prompts, "prompt", where)
        check_row(row, [Column(name, "text", "--columns.prompt")], where)
        rationale = text_of(row, Column(self.columns.rationale, "text", "--columns.rationale"), where)
        return Reasoned(str(row[name]), rationale, answered.answer, where)

    def prompt_with(self, text: str, row: Reasoned) -> Prompt:
        """The prompt of a question that stands in `text` beside its passages.

        Raises:
            SteelyardError: it does not go with the words around it.
        """
        asked = self.prompt(text, self.columns.prompt or "prompt", row.place)
        return make_prompt(asked, {"answer": row.answer}, place=row.place)


def knowledge_of(path: str, column: str) -> Index:
    """The passages of a file, equal ones once, ready to be searched.

    Raises:
        SteelyardError: the file is missing or malformed, or a row has no passage.
    """
    require(bool(path), "is missing", where="--knowledge", hint="name a .jsonl or .parquet file with text")
    wanted = Column(column, "text", "--knowledge-column")
    texts = [text_of(row, wanted, f"{path}, {place}") for place, row in read_rows(path)]
    return BM25().index([*Counter(texts)], path)


def facts_of(train: Sequence[Reasoned], held: Sequence[Reasoned], index: Index, notes: Counter[str]) -> JsonMapping:
    """What data.json and the plan say of them."""
    return {"train": len(train), "held_out": len(held), "passages": len(index.texts), "notes": dict(notes)}
