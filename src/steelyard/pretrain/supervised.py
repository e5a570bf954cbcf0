"""Supervised fine-tuning as a job: `steelyard train sft --model DIR --path questions.jsonl`.

A model learns to give the answers of a file to its prompts, letter by letter (`task/answered.py`). Prompts are read and
not learned. What is measured, on held-out rows: the loss of the answers, and how many a greedy completion repeats.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import numpy as np
import tyro

from steelyard.core import PositiveInt, Prompt, ShareInside, Trajectory, checked
from steelyard.core.json import JsonObject
from steelyard.learner import demonstration
from steelyard.learner.given_data import GivenData, epoch_batch
from steelyard.learner.model_job import ModelJob
from steelyard.objective import SFT, Objective
from steelyard.policy import Policy
from steelyard.pretrain.context_room import Size, with_room
from steelyard.pretrain.held_out import held_out_loss
from steelyard.rollout.greedy import greedy
from steelyard.task.answered import Answered, AnsweredFile
from steelyard.task.base import key_of, split_keys

Plain = tyro.conf.OmitArgPrefixes
_SHOWN = 4


@checked()
@dataclass(frozen=True)
class AnsweredJob(ModelJob):
    """What all jobs on the answers of a file have in common."""

    OWN_DATA: ClassVar[str] = "--path questions.jsonl"

    objective: Annotated[Objective, Plain] = field(default_factory=SFT)
    """The loss."""
    path: str = ""
    """JSONL or Parquet file with columns prompt (question, problem) and answer (or solution, ground_truth)."""
    held_out: str = ""
    """File that is held out; empty holds a share of the prompts out instead."""
    held_out_share: ShareInside = 0.1
    """Share of the prompts held out of training, chosen by hash of the prompt."""
    held_out_rows: PositiveInt = 128
    """Held-out rows that are measured, the first ones."""
    max_completion_length: PositiveInt = 64
    """Most tokens of a greedy answer to a held-out prompt."""
    file: Annotated[AnsweredFile, Plain] = field(default_factory=AnsweredFile)
    """How rows become prompts and answers."""

    @property
    def title(self) -> str:
        """What is learned from what."""
        return f"{type(self.objective).__name__} on {self.path}; model {self.model}"

    def asked(self) -> Sequence[Prompt]:
        """Held-out prompts."""
        return [row.prompt for row in self._read()[1]]

    def plan(self) -> Mapping[str, JsonObject]:
        """The rows, the model, and how many steps there are."""
        train, held, notes = self._read()
        policy = self.planned_policy()
        if policy is not None:
            train, held, notes = self._fitting(policy, train, held, notes)
        facts = self.counted(train, held)
        steps = {"steps": self.steps_over(facts["train"]), "epochs": self.epochs}
        return {"data": facts | {"notes": dict(notes)}, "model": self.planned_model(policy), "steps": steps}

    def counted(self, train: list[Answered], held: list[Answered]) -> JsonObject:
        """The rows in numbers; `train` counts those that are learned from."""
        return {"train": len(train), "held_out": len(held)}

    def _read(self) -> tuple[list[Answered], list[Answered], Counter[str]]:
        train, notes = self.file.read(self.path, "--path")
        if self.held_out:
            held, more = self.file.read(self.held_out, "--held-out")
            return train, held, notes + more
        train, held = split_keys(train, lambda row: key_of(row.prompt.text), self.held_out_share, where=self.path)
        return train, held, notes

    def _fitting(
        self, policy: Policy, train: list[Answered], held: list[Answered], notes: Counter[str]
    ) -> tuple[list[Answered], list[Answered], Counter[str]]:
        """The rows that fit the context, held-out prompts with room for an answer; others are counted."""

        def size(row: Answered) -> Size:
            t = given_answer(policy, row)
            return int((~t.action_T).sum()), len(t.tokens_T)

        room = {"context": policy.context_length, "answer": self.max_completion_length}
        kept, able, left = with_room(train, held, size, **room, what="row", path=self.path)
        return kept, able, notes + left


@checked()
@dataclass(frozen=True)
class SupervisedTuning(AnsweredJob):
    """Teach a model the answers of a file."""

    def open(self) -> GivenData:
        """Read the rows and load the model."""
        policy = self.policy()
        train, held, notes = self._fitting(policy, *self._read())
        rows = [given_answer(policy, row) for row in train]
        measured = held[: self.held_out_rows]
        return GivenData(
            self.learner(policy, self.objective),
            lambda step: [[rows[i]] for i in epoch_batch(step, len(rows), self.batch_size, self.seed, "rows")],
            self.steps_over(len(rows)),
            HeldOutAnswers(policy, measured, self.max_completion_length),
            {"train": len(train), "held_out": len(held), "notes": dict(notes)},
        )


def given_answer(policy: Policy, row: Answered) -> Trajectory:
    """A row in a policy's tokens; the answer's are actions."""
    return demonstration(policy, row.prompt, row.answer)


@dataclass(frozen=True)
class HeldOutAnswers:
    """Measures a policy as it is on held-out rows."""

    policy: Policy
    rows: Sequence[Answered]
    max_tokens: int

    def __call__(self) -> tuple[JsonObject, list[JsonObject]]:
        """The numbers, and some greedy answers to read."""
        given = [given_answer(self.policy, row) for row in self.rows]
        said = greedy(self.policy, given, self.max_tokens)
        same = [np.array_equal(tokens, t.completion_T) for tokens, t in zip(said, given, strict=True)]
        row = {"eval/held_out_loss": held_out_loss(self.policy, given), "eval/repeated": float(np.mean(same))}
        samples = [
            {"prompt": one.prompt.text, "completion": self.policy.decode(tokens), "answer": one.answer}
            for one, tokens in zip(self.rows[:_SHOWN], said[:_SHOWN], strict=True)
        ]
        return row, samples
