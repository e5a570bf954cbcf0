"""A small guard that also learns from generated harmful texts: `steelyard train harmaug --texts t.jsonl ...`.

The generator writes texts like the harmful ones that are learned from (data/harmaug.py), the teacher rates them with
all others, and the student learns what it said (guard/distil_job.py). A checkpoint keeps what was generated, so a run
that is resumed generates nothing again; beside the guard, RUN/model/generated.jsonl has it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from steelyard.core import NonNegative, PositiveInt, Sampling, checked, require
from steelyard.core.json import JsonObject
from steelyard.core.waiting import waiting
from steelyard.data import HarmAug, Tools, records_of
from steelyard.data.harmaug import HARMFUL, HARMLESS, LABEL, TEXT
from steelyard.data.writer import PolicyWriter
from steelyard.guard.distil_job import Distilling
from steelyard.guard.distillation import Distillation
from steelyard.guard.labelled import Labelled
from steelyard.guard.sparse_distil import SparseDistil
from steelyard.learner.fitting_work import FittingWork
from steelyard.policy import Policy
from steelyard.policy.meta_model import local_directory, meta_policy, told_of

GENERATED = "generated.jsonl"
STUDENT = SparseDistil(learning=Distillation(hard=0.5, balanced=True))
"""The weights of labels and of the teacher, and even draws, are those of the paper's code."""


@checked()
@dataclass(frozen=True)
class Augmented(Distilling):
    """Teach a student what a teacher says of texts, and of generated harmful ones."""

    OWN_DATA: ClassVar[str] = f"{Distilling.OWN_DATA} --generator MODEL"

    student: Annotated[SparseDistil, tyro.conf.OmitArgPrefixes] = STUDENT
    """The n-gram student, and how it learns."""
    builder: Annotated[HarmAug, tyro.conf.OmitArgPrefixes] = field(default_factory=HarmAug)
    """How harmful texts are generated."""
    generator: str = ""
    """The language model that writes them: a directory, a shipped model or a hub id."""
    max_completion_length: PositiveInt = 64
    """Most tokens that it writes."""
    temperature: NonNegative = 1.0
    """Its sampling temperature."""

    @property
    def title(self) -> str:
        """Who is taught by whom on what."""
        return f"{super().title}, with texts by {self.generator}"

    def planned_texts(self, train: Labelled, held_out: Labelled) -> JsonObject:
        """What the plan says of the texts without labels: those of a file, and how many are asked for."""
        self._check_generator()
        asked = int(train.harm_N.sum()) * self.builder.samples
        return {"unlabelled": len(super().further(train, held_out)), "texts asked for, at most": asked}

    def plan(self) -> Mapping[str, JsonObject]:
        """The texts, the models, and how many steps there are."""
        here = not self.generator or local_directory(self.generator) is not None
        return {**super().plan(), "generator": told_of(self.generator, here)}

    def open(self) -> FittingWork:
        """Read the texts, generate others, let the teacher rate all of them, and begin to teach."""
        return self._work(None)

    def reopen(self, kept: Path) -> FittingWork:
        """The same with the texts that a checkpoint keeps."""
        return self._work(kept / GENERATED)

    def further(self, train: Labelled, held_out: Labelled) -> list[str]:
        """The texts of a file, and those that are generated."""
        self._check_generator()
        given = super().further(train, held_out)
        labels = (HARMFUL if harm else HARMLESS for harm in train.harm_N.tolist())
        rows = ({TEXT: text, LABEL: label} for text, label in zip(train.texts, labels, strict=True))
        records = records_of((f"text {i}", row) for i, row in enumerate(rows))
        policy = Policy.load(self.generator).placed(self.device)
        sampling = Sampling(self.temperature, self.max_completion_length)
        tools = Tools(self.seed, PolicyWriter(policy, self.generator, sampling))
        with waiting(f"the generator writing up to {int(train.harm_N.sum()) * self.builder.samples:,} texts"):
            built = self.builder.build(records, records, tools)
        taken = {*train.texts, *held_out.texts, *given}
        made = dict.fromkeys(str(record.fields[TEXT]) for record in built)
        return [*given, *(text for text in made if text not in taken)]

    def _check_generator(self) -> None:
        require(bool(self.generator), "is missing", where="--generator", hint="name a model that writes texts")
        hint = "leave it out: texts are generated for a teacher to rate"
        require(self.learn_from == "teacher", "is labels", where="--learn-from", hint=hint)
        place = local_directory(self.generator)
        if place is not None:
            meta_policy(place)

    def _work(self, kept: Path | None) -> FittingWork:
        if self.fitted:
            return self.begun([])
        self._check()
        train, held_out, _ = self.read()
        further = self.further(train, held_out) if kept is None else read_texts(kept)
        return AugmentedWork(**vars(self.begun(further)), texts=further)


@dataclass
class AugmentedWork(FittingWork):
    """The fit, and the texts that it learns from beside those with labels."""

    texts: Sequence[str] = ()

    def save(self, directory: Path) -> None:
        """Write the fit and the texts."""
        super().save(directory)
        write_texts(self.texts, directory)

    def save_model(self, directory: Path) -> None:
        """Write the guard, and the texts beside it."""
        super().save_model(directory)
        write_texts(self.texts, directory)


def write_texts(texts: Sequence[str], directory: Path) -> None:
    """Write them into a directory, a row for each."""
    rows = (json.dumps({TEXT: text}, ensure_ascii=False) + "\n" for text in texts)
    (directory / GENERATED).write_text("".join(rows), encoding="utf-8")


def read_texts(file: Path) -> list[str]:
    """What was written."""
    return [json.loads(line)[TEXT] for line in file.read_text(encoding="utf-8").splitlines()]
