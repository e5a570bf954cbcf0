"""The workers of a run as the coordinator knows them: what each owes, and since when it has said nothing."""

from collections import deque
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import Literal

from steelyard.runtime.coordinator.profile import Profile
from steelyard.searcher import Assignment

Role = Literal["searcher", "learner", "evaluator"]
Phase = Literal["starting", "ready", "away", "ending"]
"""ready: built. away: lost, and not started again yet. ending: was asked to end."""


@dataclass(eq=False)
class Worker:
    """One searcher, the learner, or the evaluator, over all its restarts."""

    name: str
    role: Role
    label: str
    """Its name in error messages."""
    heard: float
    """When it last said something, was started, or was given work while it had none."""
    phase: Phase = "starting"
    waits: str = ""
    """What it said last that it waits for; empty once it has said anything else."""
    batches: deque[list[Assignment]] = field(default_factory=deque)
    """Batches that it was given and has not finished, oldest first; a sample goes when it arrives."""

    @property
    def busy(self) -> bool:
        """It owes samples."""
        return any(self.batches)

    def owed(self) -> list[Assignment]:
        """What it was given and has not delivered, in the order of handing out."""
        return [assignment for batch in self.batches for assignment in batch]

    def strike(self, assignments: Container[Assignment]) -> None:
        """It owes these no longer."""
        for batch in self.batches:
            batch[:] = [assignment for assignment in batch if assignment not in assignments]

    def release(self) -> list[Assignment]:
        """Take all its work away; returns what it owed."""
        owed = self.owed()
        self.batches.clear()
        return owed

    def patience(self, profile: Profile) -> float | None:
        """Seconds that it may be silent now; None where nothing is expected of it."""
        if self.phase == "starting":
            return profile.start_deadline
        return profile.search_deadline if self.phase == "ready" and self.busy else None

    def silent_too_long(self, profile: Profile, now: float) -> bool:
        """True where its patience has run out."""
        limit = self.patience(profile)
        return limit is not None and now - self.heard > limit

    def hear(self, now: float, waits: str = "") -> None:
        """It said something, or that it waits for something."""
        self.heard = now
        self.waits = waits

    def doing(self, now: float) -> str:
        """What it is doing, for the message of a stall."""
        if self.phase == "ready" and self.waits:
            return f"{self.name} {self.waits}"
        if self.phase == "ready":
            owed = len(self.owed())
            return f"{self.name} silent for {now - self.heard:.3g} s with {owed} samples to draw"
        phrase = {"starting": "starting", "away": "lost and starting again", "ending": "asked to end"}[self.phase]
        return f"{self.name} {phrase} for {now - self.heard:.3g} s"


def workers_of(num_searchers: int) -> dict[str, Worker]:
    """A learner, an evaluator and the searchers, by name."""
    names: Iterable[tuple[str, Role]] = [
        ("learner", "learner"),
        ("evaluator", "evaluator"),
        *((searcher_name(number), "searcher") for number in range(num_searchers)),
    ]
    return {name: Worker(name, role, label=name, heard=0.0) for name, role in names}


def searcher_name(number: int | None) -> str:
    """The name of a searcher, counted from 0."""
    return f"searcher {number}"


def searcher_number(name: str) -> int:
    """Which searcher has this name."""
    return int(name.removeprefix("searcher "))
