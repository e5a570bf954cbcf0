"""What shows a run elsewhere: numbers at steps, and samples to read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from steelyard.core.json import JsonMapping, JsonObject

PROJECT = "steelyard"
"""Where a tracker groups runs by project."""


@dataclass(frozen=True)
class Tracked:
    """A run, as it is told to a tracker."""

    directory: Path
    """Of the run; a tracker that writes files of its own writes them here."""
    resumed: bool
    """Whether the run goes on, from a checkpoint."""

    @property
    def name(self) -> str:
        """The run's name: that of its directory."""
        return self.directory.resolve().name

    @property
    def config(self) -> JsonObject:
        """The contents of config.json, which is there before the first row."""
        return json.loads((self.directory / "config.json").read_text(encoding="utf-8"))


@runtime_checkable
class Tracker(Protocol):
    """Takes what a run measures. It is made when the run's first row is written."""

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """Take what was measured at a learner step."""
        ...

    def samples(self, rows: Sequence[JsonMapping], step: int) -> None:
        """Take completions that were written at a learner step, each with its prompt."""
        ...

    def close(self) -> None:
        """Hand over what is still held; nothing comes after it."""
        ...
