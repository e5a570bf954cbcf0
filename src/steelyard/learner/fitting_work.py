"""A fit as the work of a job: of one small network, or whatever else makes its steps alone."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from steelyard.core.json import JsonMapping, JsonObject


@runtime_checkable
class Fit(Protocol):
    """A fit that can stop after any step and go on; `learner.fitting.Fitting` is one."""

    steps: int
    """Steps that are made."""

    @property
    def num_steps(self) -> int:
        """Steps to make in all."""
        ...

    def step(self) -> float:
        """Make one; returns the loss before it."""
        ...

    def save(self, directory: Path) -> None:
        """Write all that `restore` needs."""
        ...

    def restore(self, directory: Path) -> None:
        """Go on from what `save` wrote."""
        ...


@dataclass
class FittingWork:
    """A `Work`; without a fitting, one that only measures."""

    fitting: Fit | None
    """What is fitted."""
    measure: Callable[[], tuple[JsonObject, list[JsonObject]]]
    """Measures what is fitted, as it is."""
    write: Callable[[Path], None]
    """Writes what the job was for."""
    facts: JsonMapping
    """The data in numbers."""

    @property
    def steps(self) -> int:
        """Steps that are made."""
        return 0 if self.fitting is None else self.fitting.steps

    @property
    def num_steps(self) -> int:
        """Steps to make in all."""
        return 0 if self.fitting is None else self.fitting.num_steps

    def step(self) -> JsonObject:
        """Make the next step; returns its loss."""
        assert self.fitting is not None
        return {"learner/loss": self.fitting.step()}

    def evaluate(self) -> tuple[JsonObject, list[JsonObject]]:
        """Measure what is fitted, as it is."""
        return self.measure()

    def save(self, directory: Path) -> None:
        """Write the fit."""
        assert self.fitting is not None
        self.fitting.save(directory)

    def restore(self, directory: Path) -> None:
        """Go on with the fit."""
        assert self.fitting is not None
        self.fitting.restore(directory)

    def save_model(self, directory: Path) -> None:
        """Write what the job was for."""
        self.write(directory)

    def close(self) -> None:
        """There are no child processes."""


def unwritten(directory: Path) -> None:
    """What is only measured is not written."""
