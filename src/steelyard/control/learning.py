"""A controller being learned, update by update, so that a run can stop anywhere and go on, bit for bit."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

from steelyard.control.system import Controller, System
from steelyard.core.json import JsonObject

S = TypeVar("S")


@runtime_checkable
class Learning(Protocol):
    """What `SteppedLearner.begin` gives."""

    @property
    def updates(self) -> int:
        """Updates that are made."""
        ...

    @property
    def num_updates(self) -> int:
        """Updates to make in all."""
        ...

    @property
    def controller(self) -> Controller:
        """What has been learned so far."""
        ...

    def step(self) -> JsonObject:
        """Make the next update; returns its metrics."""
        ...

    def save(self, directory: Path) -> None:
        """Write all that `restore` needs, as plain files."""
        ...

    def restore(self, directory: Path) -> None:
        """Go on from what `save` wrote."""
        ...


@dataclass(frozen=True)
class SteppedLearner(ABC):
    """Settings of a learner of controllers that `steelyard train` can run: `control.ppo` is one."""

    @abstractmethod
    def begin(self, system: System[S], *, seed: int, updates: int | None = None) -> Learning:
        """The learning of a controller, before its first update.

        Args:
            system: what it acts on.
            seed: of the first weights and of all draws.
            updates: how many to make; None for as many as the settings say.
        """

    def fit(self, system: System[S], *, seed: int) -> Controller:
        """Learn a controller, to the last update."""
        learning = self.begin(system, seed=seed)
        while learning.updates < learning.num_updates:
            learning.step()
        return learning.controller
