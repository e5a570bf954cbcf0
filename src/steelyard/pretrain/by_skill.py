"""Jobs whose curriculum draws skills as wholes: of each skill some rows are set aside, and its loss is told."""

from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass

from steelyard.core import checked
from steelyard.pretrain.drawn_rows import SetAside
from steelyard.task.answered import Answered
from steelyard.task.skilled import SKILL, numbered


@checked()
@dataclass(frozen=True)
class BySkill(SetAside, ABC):
    """What all jobs have in common that tell a curriculum the loss of each skill."""

    def set_aside(self, rows: list[Answered]) -> tuple[list[Answered], list[Answered]]:
        """Training rows and those for validation, of every skill some; each has the number of its skill."""
        train: list[Answered] = []
        validation: list[Answered] = []
        for number, own in by_domain(numbered(rows)[0]).items():
            rest, aside = self.apart(own, f"{self.path}, skill {number} ({own[0].prompt.columns[SKILL]})")
            train += rest
            validation += aside
        return train, validation


def by_domain(rows: Sequence[Answered]) -> dict[int, list[Answered]]:
    """The rows by the number of their skill, in the order of the numbers."""
    found: dict[int, list[Answered]] = {}
    for row in rows:
        number = row.prompt.labels["domain"]
        assert isinstance(number, int)
        found.setdefault(number, []).append(row)
    return dict(sorted(found.items()))


def names_of(rows: Sequence[Answered]) -> dict[int, str]:
    """The skill of each number."""
    return {number: str(own[0].prompt.columns[SKILL]) for number, own in by_domain(rows).items()}


def listed(rows: Sequence[Answered]) -> str:
    """The skills with their numbers, for records."""
    return ", ".join(f"{number} {name}" for number, name in names_of(rows).items())
