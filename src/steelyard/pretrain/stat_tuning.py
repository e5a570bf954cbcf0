"""STAT-Sel on rows with answers: `steelyard train stat --model DIR --path questions.jsonl --columns.skill topics`.

Differs: the model's greedy answers to the rows that are set aside (`drawn_rows.py`) are compared with the file's,
letter by letter, where the paper asks a process reward model; and a wrong answer is taken to miss all skills of its
question, where the paper asks a teacher. The method is `curriculum/stat.py`.

    r(y|x) = [ y is the file's answer ]

A row may have several skills: a list of texts. P rows, G = 1 sample per prompt.
Source: He et al. 2025, arXiv:2510.10023.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np

from steelyard.core import Prompt, Trajectory, checked, require
from steelyard.core.json import JsonObject
from steelyard.curriculum import STAT
from steelyard.policy import Policy
from steelyard.pretrain.drawn_rows import Begun, DrawnTuning, Plain
from steelyard.pretrain.supervised import given_answer
from steelyard.rollout.greedy import greedy
from steelyard.task.answered import Answered
from steelyard.task.skilled import SKILL


@checked()
@dataclass(frozen=True)
class STATTuning(DrawnTuning):
    """Teach a model the answers of a file, more of those whose skills it was found to miss."""

    curriculum: Annotated[STAT, Plain] = field(default_factory=lambda: STAT(skills=SKILL))
    """Which skills are drawn."""

    def __post_init__(self) -> None:
        super().__post_init__()
        hint = "leave it out, and name the column with --columns.skill"
        require(self.curriculum.skills == SKILL, f"is {self.curriculum.skills!r}", where="--skills", hint=hint)

    @property
    def title(self) -> str:
        """What is learned from what."""
        return f"STAT, {super().title}"

    def set_aside(self, rows: list[Answered]) -> tuple[list[Answered], list[Answered]]:
        """Training rows, and those whose answers are looked at."""
        return self.apart(rows, self.path)

    def planned(self, rows: Sequence[Answered], validation: Sequence[Answered]) -> JsonObject:
        """How many skills there are."""
        self.curriculum.open(*self._prompts(rows, validation))
        return self._skills(rows)

    def begin(
        self, policy: Policy, rows: Sequence[Answered], validation: Sequence[Answered], kept: Path | None
    ) -> Begun:
        """Open the curriculum; it is told of greedy answers."""
        draws = self.curriculum.open(*self._prompts(rows, validation))
        given = [given_answer(policy, row) for row in validation]

        def shares() -> dict[str, float]:
            number = sum(draws.profile.values())
            return {skill: missed / number for skill, missed in draws.profile.items()}

        told = partial(told_answers, policy, given, self.max_completion_length)
        return Begun(draws, told, shares, self._skills(rows), lambda directory: None)

    def _prompts(
        self, rows: Sequence[Answered], validation: Sequence[Answered]
    ) -> tuple[Sequence[Prompt], int, Sequence[Prompt]]:
        return [row.prompt for row in rows], self.seed, [row.prompt for row in validation]

    def _skills(self, rows: Sequence[Answered]) -> JsonObject:
        return {"skills": len({skill for row in rows for skill in self.curriculum.skills_of(row.prompt)})}


def told_answers(policy: Policy, given: Sequence[Trajectory], max_tokens: int) -> list[Trajectory]:
    """The rows with reward 1 where the model's greedy answer is theirs, else 0."""
    said = greedy(policy, given, max_tokens)
    return [t.replace(reward=float(np.array_equal(one, t.completion_T))) for t, one in zip(given, said, strict=True)]
