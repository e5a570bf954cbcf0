"""A fast guard from a slow one: `steelyard train sparse-distil --texts t.jsonl --teacher RUN --unlabelled u.jsonl`.

The teacher rates all texts, those with labels and those without, and the student learns what it said. What learns is an
n-gram guard, or with `--model` a model of one's own with a new head. Labels are for the held-out texts, and for the
share of the loss that `--hard` gives them. `steelyard eval RUN` also measures how many texts a second student and
teacher read; the records of the run hold what repeats bit for bit, so they have no such number.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar, Literal, NamedTuple

import torch
import tyro
from jaxtyping import Bool, Float
from torch import Tensor

from steelyard.core import NonNegative, checked, require, rng
from steelyard.core.json import JsonObject
from steelyard.core.waiting import waiting
from steelyard.guard.base import Guard
from steelyard.guard.curves import average_precision
from steelyard.guard.encoder_guard import LABELS
from steelyard.guard.labelled import Labelled
from steelyard.guard.measures import alone, examples
from steelyard.guard.saved import Source, planned, write_ngrams
from steelyard.guard.settings import GuardSettings
from steelyard.guard.sparse_distil import RATE, SparseDistil
from steelyard.guard.student import StudentGuard
from steelyard.guard.unlabelled import further_texts
from steelyard.learner.fitting import Fitting
from steelyard.learner.fitting_work import FittingWork, unwritten
from steelyard.policy.classifier import Classifier
from steelyard.policy.device import AUTO, Device, check_device
from steelyard.policy.loading import locate
from steelyard.policy.meta_model import told_of

RATE_OF_MODEL = 3e-5
TIMED_S = 0.5
"""Seconds for which a guard reads texts to be timed, at least."""


@checked()
@dataclass(frozen=True)
class Distilling(GuardSettings):
    """Teach a student what a teacher says of many texts."""

    OWN_DATA: ClassVar[str] = "--texts labelled.jsonl --teacher CLASSIFIER --teacher-label LABEL_1"

    student: Annotated[SparseDistil, tyro.conf.OmitArgPrefixes] = field(default_factory=SparseDistil)
    """The n-gram student, and how it learns."""
    model: str = ""
    """What learns in place of n-grams: a language model, an encoder or a classifier (directory or hub id)."""
    learning_rate: NonNegative = 0.0
    """The highest learning rate; 0 for 2e-2 with n-grams and 3e-5 with a model."""
    teacher: str = ""
    """The teacher: a sequence classifier (directory or hub id), or the run of a guard."""
    teacher_label: str = ""
    """The teacher's label that means harm; empty for one that is named so."""
    unlabelled: str = ""
    """JSONL or Parquet file with a column text: further texts that the teacher rates."""
    learn_from: Literal["teacher", "labels"] = "teacher"
    """Whose labels the student learns: the teacher's, or the file's alone, to see what the teacher is worth."""
    device: Device = AUTO
    """Where the models compute: auto, cpu, cuda or cuda:NUMBER. N-grams stay on the processor."""

    @property
    def title(self) -> str:
        """Who is taught by whom on what."""
        teacher = self.teacher if self.learn_from == "teacher" else "their labels"
        return f"{self.model or 'an n-gram guard'}, taught on {self.texts} by {teacher}"

    def plan(self) -> Mapping[str, JsonObject]:
        """The texts, the models, and how many steps there are."""
        train, held_out, facts = self.read()
        check_device(self.device)
        self._check()
        found: dict[str, JsonObject] = {"data": facts | self.planned_texts(train, held_out)}
        found["teacher"] = planned(self._source, "--teacher") if self.teacher else {}
        if self.model:
            _, here = locate(self.model)
            found["student"] = told_of(self.model, here)
        else:
            found["student"] = {"n-grams, at most": self.student.grams, "width": self.student.width}
        return {name: rows for name, rows in found.items() if rows} | {"steps": {"steps": self._steps}}

    def open(self) -> FittingWork:
        """Read the texts, load the models, let the teacher rate all texts, and begin to teach."""
        return self.begun(None)

    def begun(self, further: Sequence[str] | None) -> FittingWork:
        """The same with these texts without labels; None for those that the settings name."""
        train, held_out, facts = self.read()
        self._check()
        teacher = self._source.load("--teacher", self.device) if self.teacher else None
        yardstick = Yardstick.of(held_out, teacher)
        if self.fitted:
            known = Source(self.fitted, LABELS[1]).load("--fitted", self.device)
            return FittingWork(None, partial(yardstick.timed, known), unwritten, facts)
        further = self.further(train, held_out) if further is None else further
        lesson = self._lesson(train, further, teacher)
        guard, fitting, write = self._begun(lesson)
        harmful = int(lesson.harm_N[len(train.texts) :].sum())
        facts = facts | {"unlabelled": len(further), "harmful of them, by the teacher": harmful}
        return FittingWork(fitting, partial(yardstick.measure, guard), write, facts)

    def planned_texts(self, train: Labelled, held_out: Labelled) -> JsonObject:
        """What the plan says of the texts without labels."""
        return {"unlabelled": len(self.further(train, held_out))}

    def further(self, train: Labelled, held_out: Labelled) -> list[str]:
        """The texts without labels, each once and none that is in the file with labels."""
        known = (*train.texts, *held_out.texts)
        return further_texts(self.unlabelled, self.file.columns.text, known) if self.unlabelled else []

    @property
    def _source(self) -> Source:
        return Source(self.teacher, self.teacher_label)

    @property
    def _steps(self) -> int:
        return self.max_steps or self.student.learning.steps

    def _check(self) -> None:
        """Refuse settings that do not fit together."""
        taught = self.learn_from == "teacher"
        hint = "name a classifier, or the run of a guard"
        require(bool(self.teacher or self.fitted) or not taught, "is missing", where="--teacher", hint=hint)
        hint = "leave it out, or learn from the teacher"
        require(taught or not self.unlabelled, "have no labels to learn from", where="--unlabelled", hint=hint)

    def _lesson(self, train: Labelled, further: Sequence[str], teacher: Guard | None) -> "Lesson":
        if teacher is None or self.learn_from == "labels":
            return Lesson(train.texts, train.harm_N.float(), train.harm_N)
        texts = [*train.texts, *further]
        with waiting(f"the teacher reading {len(texts):,} texts"):
            soft_N = teacher(texts).harm_N.detach().float().cpu()
        return Lesson(texts, soft_N, torch.cat([train.harm_N, soft_N[len(train.texts) :] > 0.5]))

    def _begun(self, lesson: "Lesson") -> "tuple[Guard, Fitting, Callable[[Path], None]]":
        """The student, its fit before the first step, and how it is written."""
        if not self.model:
            guard = self.student.student(lesson.texts, seed=self.seed)
            rate = self.learning_rate or RATE
            fitting = self.student.begin(guard, *lesson, learning_rate=rate, seed=self.seed, steps=self._steps)
            return guard, fitting, partial(write_ngrams, guard)
        locate(self.model)
        student = StudentGuard(Classifier.begun(self.model, LABELS, seed=self.seed, device=self.device))
        rate = self.learning_rate or RATE_OF_MODEL
        fitting = self.student.learning.begin(
            student.classifier.net,
            torch.optim.AdamW(student.classifier.net.parameters(), lr=rate, weight_decay=1e-2),
            lambda places: student.log_odds([lesson.texts[i] for i in places]),
            lesson.soft_N,
            lesson.harm_N,
            learning_rate=rate,
            draws=rng(self.seed, "distillation"),
            steps=self._steps,
        )
        return student, fitting, student.classifier.save


class Lesson(NamedTuple):
    """What a student learns from."""

    texts: list[str]
    soft_N: Float[Tensor, "N"]
    """What the teacher says of each."""
    harm_N: Bool[Tensor, "N"]
    """Labels; of texts without one, what the teacher thinks."""


@dataclass(frozen=True)
class Yardstick:
    """Held-out texts, and a teacher."""

    texts: Labelled
    teacher: Guard | None
    taught: JsonObject
    """How the teacher rules."""

    @classmethod
    def of(cls, texts: Labelled, teacher: Guard | None) -> "Yardstick":
        """Ask the teacher once."""
        if teacher is None:
            return cls(texts, None, {})
        harm_N = teacher(texts.texts).harm_N.cpu()
        row = alone(harm_N, texts)
        numbers = {"f1": row["eval/f1"], "right": row["eval/right"], "auprc": average_precision(harm_N, texts.harm_N)}
        return cls(texts, teacher, {f"eval/{name}_teacher": value for name, value in numbers.items()})

    def measure(self, student: Guard) -> tuple[JsonObject, list[JsonObject]]:
        """How the student rules, beside its teacher."""
        harm_N = student(self.texts.texts).harm_N.cpu()
        row = {**alone(harm_N, self.texts), "eval/auprc": average_precision(harm_N, self.texts.harm_N), **self.taught}
        if self.taught and self.taught["eval/right_teacher"]:
            row["eval/kept"] = row["eval/right"] / self.taught["eval/right_teacher"]
        return row, [*examples(harm_N, self.texts, None)]

    def timed(self, student: Guard) -> tuple[JsonObject, list[JsonObject]]:
        """The same, and how many texts a second both read."""
        row, shown = self.measure(student)
        row["eval/texts_per_s"] = texts_per_s(student, self.texts.texts)
        if self.teacher is not None:
            row["eval/texts_per_s_teacher"] = texts_per_s(self.teacher, self.texts.texts)
            row["eval/faster"] = row["eval/texts_per_s"] / row["eval/texts_per_s_teacher"]
        return row, shown


def texts_per_s(guard: Guard, texts: Sequence[str], clock: Callable[[], float] = time.perf_counter) -> float:
    """How many texts a guard reads in a second, after it has read them once."""
    guard(texts[:64])
    began, read = clock(), 0
    while (spent := clock() - began) < TIMED_S or not read:
        guard(texts)
        read += len(texts)
    return read / max(spent, 1e-9)
