"""A strong guard from a weak one's labels: `steelyard train weak-to-strong --model MODEL --texts t.jsonl --weak GUARD`.

The student is a classifier on a model of one's own, with a new head. Labels of the file are for held-out texts, by
which student, weak guard and ceiling are measured; those of the other texts are not read, unless `--learn-from labels`
asks for them: such a run is the ceiling that `--ceiling` names.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, ClassVar, Literal

import tyro
from jaxtyping import Float
from torch import Tensor

from steelyard.core import checked, require
from steelyard.core.json import JsonObject
from steelyard.core.waiting import waiting
from steelyard.guard.encoder_guard import LABELS
from steelyard.guard.labelled import Labelled
from steelyard.guard.saved import Known, Source, planned
from steelyard.guard.settings import GuardSettings
from steelyard.guard.student import StudentGuard, Yardstick
from steelyard.guard.unlabelled import further_texts
from steelyard.guard.weak_to_strong import WeakToStrong
from steelyard.learner.fitting import Fitting
from steelyard.learner.fitting_work import FittingWork, unwritten
from steelyard.policy.classifier import Classifier
from steelyard.policy.device import AUTO, Device, check_device
from steelyard.policy.loading import locate
from steelyard.policy.meta_model import told_of


@checked()
@dataclass(frozen=True)
class Teaching(GuardSettings):
    """Teach a strong model what a weak guard says."""

    OWN_DATA: ClassVar[str] = "--texts labelled.jsonl --weak CLASSIFIER --weak-label LABEL_1"

    learning: Annotated[WeakToStrong, tyro.conf.OmitArgPrefixes] = field(default_factory=WeakToStrong)
    """How the student learns."""
    model: str = ""
    """The student: a language model, an encoder or a classifier (directory or hub id); it gets a new head."""
    weak: str = ""
    """The weak guard: a sequence classifier (directory or hub id), or the run of a guard."""
    weak_label: str = ""
    """The weak classifier's label that means harm; empty for one that is named so."""
    unlabelled: str = ""
    """JSONL or Parquet file with a column text: further texts that the weak guard labels."""
    learn_from: Literal["weak", "labels"] = "weak"
    """Whose labels the student learns: the weak guard's, or the file's, which makes a ceiling."""
    ceiling: str = ""
    """The run that learned from the file's labels, to measure the gap that is recovered."""
    device: Device = AUTO
    """Where the models compute: auto, cpu, cuda or cuda:NUMBER."""

    @property
    def title(self) -> str:
        """Who is taught by whom on what."""
        teacher = self.weak if self.learn_from == "weak" else "their labels"
        return f"{self.model}, taught on {self.texts} by {teacher}"

    def plan(self) -> Mapping[str, JsonObject]:
        """The texts, the models, and how many steps there are."""
        train, held_out, facts = self.read()
        further = self._further(train, held_out)
        check_device(self.device)
        found: dict[str, JsonObject] = {"data": facts | {"unlabelled": len(further)}, "student": self._student()}
        found |= {name: planned(source, f"--{name}") for name, source in self._sources.items()}
        return found | {"steps": {"steps": self.max_steps or self.learning.steps}}

    def open(self) -> FittingWork:
        """Read the texts, load the models, let the weak guard rate all texts, and begin to teach."""
        train, held_out, facts = self.read()
        guards = {name: source.load(f"--{name}", self.device) for name, source in self._sources.items()}
        yardstick = Yardstick.of(held_out, guards.get("weak"), guards.get("ceiling"))
        if self.fitted:
            known = StudentGuard(Classifier.load(self.fitted, device=self.device))
            return FittingWork(None, partial(yardstick.measure, known), unwritten, facts)
        self._student()
        further = self._further(train, held_out)
        student = StudentGuard(Classifier.begun(self.model, LABELS, seed=self.seed, device=self.device))
        fitting = self._begin(student, train, further, guards)
        measure = partial(yardstick.measure, student)
        return FittingWork(fitting, measure, student.classifier.save, facts | {"unlabelled": len(further)})

    def _begin(
        self, student: StudentGuard, train: Labelled, further: Sequence[str], guards: Mapping[str, Known]
    ) -> Fitting:
        texts = [*train.texts, *further]
        if self.learn_from == "labels":
            target_N = train.harm_N.float()
        else:
            with waiting(f"the weak guard reading {len(texts):,} texts"):
                target_N = guards["weak"](texts).harm_N

        def log_odds(places: Sequence[int]) -> Float[Tensor, "B"]:
            return student.log_odds([texts[i] for i in places])

        fitting = self.learning.begin(student.classifier.net, log_odds, target_N, seed=self.seed)
        fitting.num_steps = self.max_steps or self.learning.steps
        return fitting

    @property
    def _sources(self) -> dict[str, Source]:
        """The guards that are named; the weak one must be, where it teaches."""
        teaches = self.learn_from == "weak" and not self.fitted
        named = {"weak": Source(self.weak, self.weak_label), "ceiling": Source(self.ceiling)}
        return {name: source for name, source in named.items() if source.model or (teaches and name == "weak")}

    def _student(self) -> JsonObject:
        """What a plan says of the student."""
        require(bool(self.model), "is missing", where="--model", hint="name the student: a directory or a hub id")
        _, here = locate(self.model)
        return told_of(self.model, here)

    def _further(self, train: Labelled, held_out: Labelled) -> list[str]:
        """The texts without labels, each once and none that is in the file with labels."""
        if not self.unlabelled:
            return []
        taught = self.learn_from == "weak"
        require(taught, "have no labels to learn from", where="--unlabelled", hint="leave it out, or learn from weak")
        return further_texts(self.unlabelled, self.file.columns.text, (*train.texts, *held_out.texts))
