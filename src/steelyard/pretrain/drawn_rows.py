"""Supervised fine-tuning on rows that a curriculum draws: what such jobs have in common.

The rows of a file have skills (`task/skilled.py`). Some of the training rows are set aside for validation: where a
round of the curriculum begins, it is told what the model makes of them, and draws the rows of the next steps by that.
What is held out is neither trained on nor told of.

It is the curriculum of post-training that draws, with the same state in a checkpoint; only who reports differs: there
the rewards of samples, here the model on validation rows.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, NamedTuple, Protocol, runtime_checkable

import tyro

from steelyard.core import Curriculum, Group, PositiveInt, ShareInside, Trajectory, checked
from steelyard.core.json import JsonObject
from steelyard.learner.given_data import GivenData
from steelyard.policy import Policy
from steelyard.pretrain.kept_file import read_kept
from steelyard.pretrain.supervised import AnsweredJob, HeldOutAnswers, given_answer
from steelyard.task.answered import Answered
from steelyard.task.base import key_of, split_keys
from steelyard.task.skilled import SkilledFile

Plain = tyro.conf.OmitArgPrefixes
FILE = "curriculum.json"
Told = Callable[[], Sequence[Trajectory]]
"""Measures the policy as it is on validation rows: trajectories of these prompts, with rewards."""


@runtime_checkable
class Draws(Curriculum, Protocol):
    """A curriculum that goes by rounds."""

    @property
    def begins_round(self) -> bool:
        """Whether what it is told before the next draw decides what that draws."""
        ...


class DrawnRows:
    """The rows of each step, as a curriculum draws them.

    Args:
        draws: the curriculum, opened on the rows' prompts and told of others.
        rows: what is learned from, in the order of the prompts.
        batch_size: rows in a step.
        told: what the curriculum is told where a round begins.
    """

    def __init__(self, draws: Draws, rows: Sequence[Trajectory], batch_size: int, told: Told) -> None:
        self.draws = draws
        self._rows = rows
        self._batch_size = batch_size
        self._told = told

    def __call__(self, step: int) -> list[Group]:
        """What the next step learns from. To be asked once for each step, in order."""
        if self.draws.begins_round:
            self.draws.observe(self._told())
        return [[self._rows[i]] for i in self.draws.draw(self._batch_size)]

    def write(self, directory: Path) -> None:
        """Write into a checkpoint where the curriculum is."""
        (directory / FILE).write_text(json.dumps(self.draws.state()), encoding="utf-8")

    def read(self, directory: Path) -> None:
        """Go on from what `write` wrote.

        Raises:
            SteelyardError: the file is missing or damaged.
        """
        self.draws.restore(read_kept(directory / FILE, JsonObject))


class Begun(NamedTuple):
    """A curriculum at its beginning."""

    draws: Draws
    told: Told
    shares: Callable[[], Mapping[str, float]]
    """Skill -> the share of it in what is drawn now."""
    facts: JsonObject
    keep: Callable[[Path], None]
    """Writes into a checkpoint what was found before the first step."""


@checked()
@dataclass(frozen=True)
class SetAside(AnsweredJob, ABC):
    """What all jobs have in common that tell a curriculum of rows set aside."""

    validation_share: ShareInside = 0.1
    """Share of the training prompts that are set aside to tell the curriculum, chosen by hash of the prompt."""
    validation_rows: PositiveInt = 64
    """Most rows that are set aside: of each skill, or in all where rows have several skills."""
    file: Annotated[SkilledFile, Plain] = field(default_factory=SkilledFile)
    """How rows become prompts and answers."""

    @abstractmethod
    def set_aside(self, rows: list[Answered]) -> tuple[list[Answered], list[Answered]]:
        """Training rows, and those for validation."""

    @abstractmethod
    def planned(self, rows: Sequence[Answered], validation: Sequence[Answered]) -> JsonObject:
        """What a plan says of the skills. Opens the curriculum.

        Raises:
            SteelyardError: it cannot be opened on these rows.
        """

    def counted(self, train: list[Answered], held: list[Answered]) -> JsonObject:
        """The rows in numbers, those for validation apart, and what a plan says of the skills."""
        rows, validation = self.set_aside(train)
        numbers = {"train": len(rows), "validation": len(validation), "held_out": len(held)}
        return numbers | self.planned(rows, validation)

    def apart(self, rows: Sequence[Answered], where: str) -> tuple[list[Answered], list[Answered]]:
        """These rows to train on and for validation, by another hash than the one that decides what is held out.

        Raises:
            SteelyardError: nothing is left to train on.
        """
        rest, aside = split_keys(
            rows, lambda row: f"validation {key_of(row.prompt.text)}", self.validation_share, where=where
        )
        return rest + aside[self.validation_rows :], aside[: self.validation_rows]


@checked()
@dataclass(frozen=True)
class DrawnTuning(SetAside, ABC):
    """Teach a model the answers of a file, row by row as a curriculum draws them."""

    @abstractmethod
    def begin(
        self, policy: Policy, rows: Sequence[Answered], validation: Sequence[Answered], kept: Path | None
    ) -> Begun:
        """The curriculum over these rows, at its beginning; `kept` is a checkpoint of the run, where there is one."""

    def open(self) -> GivenData:
        """Read the rows, load the model and begin the curriculum."""
        return self._open(None)

    def reopen(self, kept: Path) -> GivenData:
        """The same, with the curriculum where a checkpoint has it."""
        return self._open(kept)

    def _open(self, kept: Path | None) -> GivenData:
        policy = self.policy()
        train, held, notes = self._fitting(policy, *self._read())
        rows, validation = self.set_aside(train)
        begun = self.begin(policy, rows, validation, kept)
        drawn = DrawnRows(begun.draws, [given_answer(policy, row) for row in rows], self.batch_size, begun.told)
        if kept is not None:
            drawn.read(kept)
        answers = HeldOutAnswers(policy, held[: self.held_out_rows], self.max_completion_length)

        def keep(directory: Path) -> None:
            drawn.write(directory)
            begun.keep(directory)

        def measure() -> tuple[JsonObject, list[JsonObject]]:
            row, samples = answers()
            return row | {f"eval/drawn@{skill}": share for skill, share in begun.shares().items()}, samples

        numbers = {"train": len(rows), "validation": len(validation), "held_out": len(held)}
        facts = numbers | begun.facts | {"notes": dict(notes)}
        learner = self.learner(policy, self.objective)
        return GivenData(learner, drawn, self.steps_over(len(rows)), measure, facts, keep)
