"""A guard's fit as the work of a job: its steps are those of one small network."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from steelyard.core.json import JsonMapping, JsonObject
from steelyard.guard.fitting import Fitting


@dataclass
class GuardWork:
    """A `Work`; without a fitting, one that only measures."""

    fitting: Fitting | None
    """What is fitted."""
    measure: Callable[[], tuple[JsonObject, list[JsonObject]]]
    """Measures the guard as it is."""
    write: Callable[[Path], None]
    """Writes the guard."""
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
        """Measure the guard as it is."""
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
        """Write the guard."""
        self.write(directory)

    def close(self) -> None:
        """There are no child processes."""
