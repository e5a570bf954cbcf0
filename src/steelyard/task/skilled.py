"""Prompts with given answers whose skills are known: a column names the skill of each row, or a list of several.

{"prompt": "12+34=", "answer": "46", "skill": "addition"}
{"prompt": "12+34-5=", "answer": "41", "skill": ["addition", "subtraction"]}
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

import tyro

from steelyard.core import require
from steelyard.core.json import JsonMapping
from steelyard.task.answered import Answered, AnsweredColumns, AnsweredFile
from steelyard.task.columns import is_missing, number_domains

SKILL = "skill"
"""Column of a prompt that holds what the row's column of skills does."""


@dataclass(frozen=True)
class SkilledColumns(AnsweredColumns):
    """Which column of a file plays which role."""

    skill: Annotated[str, tyro.conf.arg(name="columns.skill")] = SKILL
    """Column with the skill of a row, a text or a whole number; where a job says so, also a list of texts."""


@dataclass(frozen=True)
class SkilledFile(AnsweredFile):
    """How rows with answers and skills become prompts and texts."""

    columns: SkilledColumns = field(default_factory=SkilledColumns)
    """Which column plays which role."""

    def answered(self, row: JsonMapping, where: str) -> Answered:
        """One row, its skill in the prompt's column `skill`; `where` is its place, for errors.

        Raises:
            SteelyardError: it has no prompt, no answer or no skill.
        """
        one = super().answered(row, where)
        name = self.columns.skill
        hint = "write it, or say which column holds it with --columns.skill"
        require(not is_missing(row.get(name)), f"there is no skill: column {name!r}", where=where, hint=hint)
        return replace(one, prompt=replace(one.prompt, columns={**one.prompt.columns, SKILL: row[name]}))


def numbered(rows: Sequence[Answered]) -> tuple[list[Answered], Mapping[str | int, int]]:
    """The rows with the number of their skill as their prompts' domain, and each skill's number.

    Raises:
        SteelyardError: a skill is neither a text nor a whole number.
    """
    domains = number_domains((row.prompt.where, row.prompt.columns[SKILL]) for row in rows)
    labelled = [replace(row.prompt, labels={"domain": domains[row.prompt.columns[SKILL]]}) for row in rows]
    return [replace(row, prompt=prompt) for row, prompt in zip(rows, labelled, strict=True)], domains
