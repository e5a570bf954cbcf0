"""What the jobs that fit a guard have in common: labelled texts, and how often they are evaluated and saved."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar

import tyro

from steelyard.core import NonNegativeInt, PositiveInt, checked
from steelyard.core.job import Work
from steelyard.core.json import JsonObject
from steelyard.guard.labelled import Labelled, LabelledFile, counted
from steelyard.learner.fitting_settings import FittingSettings


@checked()
@dataclass(frozen=True)
class GuardSettings(FittingSettings, ABC):
    """Settings of a job on labelled texts."""

    makes: ClassVar[str] = "guard"

    texts: str = ""
    """JSONL or Parquet file with columns text and label."""
    file: Annotated[LabelledFile, tyro.conf.OmitArgPrefixes] = field(default_factory=LabelledFile)
    """How rows become labelled texts, and which are held out."""
    eval_steps: PositiveInt = 100
    """Steps between two evaluations; the first and the last are always made."""
    save_steps: NonNegativeInt = 100
    """Steps between two checkpoints; 0 makes one only when the run is stopped or has ended."""
    every_text: Annotated[bool, tyro.conf.Suppress] = False
    """Measure by all texts of the file, and by no part of them."""

    @property
    @abstractmethod
    def title(self) -> str:
        """What is fitted on what."""

    @abstractmethod
    def plan(self) -> Mapping[str, JsonObject]:
        """What `--dry-run` shows beside the settings."""

    @abstractmethod
    def open(self) -> Work:
        """Read the texts and begin to fit, or measure what `fitted` names."""

    def measured_on(self, texts: str) -> "GuardSettings":
        """The same job on all labelled texts of another file."""
        return replace(self, texts=texts, every_text=True)

    def read(self) -> tuple[Labelled, Labelled, JsonObject]:
        """Texts to learn from, texts to measure by, and both in numbers.

        Raises:
            SteelyardError: the file is missing or malformed, or one kind of text is missing.
        """
        texts, notes = self.file.read(self.texts)
        if self.every_text:
            none = Labelled([], texts.harm_N[:0])
            return none, texts, counted(none, texts, notes)
        train, held_out = self.file.split(texts, self.texts)
        return train, held_out, counted(train, held_out, notes)
