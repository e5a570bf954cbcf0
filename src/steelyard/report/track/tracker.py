"""What shows a run elsewhere: numbers at steps, and samples to read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from steelyard.core.json import JsonMapping

PROJECT = "steelyard"
"""Where a tracker groups runs by project."""


@dataclass(frozen=True)
class Tracked:
    """A run, as it is told to a tracker."""

    directory: Path
    """Of the run; a tracker that writes files of its own writes them here."""
    config: JsonMapping
    """The contents of config.json."""
    resumed: bool
    """Whether the run goes on, from a checkpoint."""

    @property
    def name(self) -> str:
        """The run's name: that of its directory."""
        return self.directory.resolve().name


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
