"""The processes of a run as its driver sees them. The coordinator decides who is given up and when."""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from steelyard.core import encode
from steelyard.runtime.coordinator.workers import Worker
from steelyard.runtime.roles.messages import Build, Down, Failed, Role, Up
from steelyard.runtime.run import Run


@dataclass(frozen=True)
class WorkerSpec:
    """What every process of a run is told at its start."""

    run: Run
    scores: bool
    version: int
    """Of the first weights."""
    checkpoint: Path | None
    """Where the learner takes its state from."""

    def build(self, role: Role) -> Build:
        """The first message to a process of this role."""
        checkpoint = None if self.checkpoint is None or role != "learner" else str(self.checkpoint.absolute())
        settings = json.dumps(encode(self.run)).encode()
        return Build(role, settings, self.scores, self.run.local.threads, self.version, checkpoint)


@dataclass(frozen=True)
class Gone:
    """A process has died, or froze in the middle of a message; why."""

    why: str


class Restarts:
    """When workers that were given up are to be started again."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}

    def put(self, name: str, after: float) -> None:
        """One more, after so many seconds."""
        self._due[name] = time.monotonic() + after

    def due(self) -> list[str]:
        """Names of those whose time has come; each is named once."""
        now = time.monotonic()
        ready = [name for name, when in self._due.items() if when <= now]
        for name in ready:
            del self._due[name]
        return ready

    def clear(self) -> None:
        """Start none of them again."""
        self._due.clear()


@runtime_checkable
class Child(Protocol):
    """One process."""

    @property
    def role(self) -> Role:
        """What it does."""
        ...

    @property
    def name(self) -> str:
        """The coordinator's name for it."""
        ...

    @property
    def label(self) -> str:
        """Its name and process id, for messages."""
        ...

    @property
    def pid(self) -> int | None:
        """Its process id; None while it has none."""
        ...

    def tell(self, message: Down) -> None:
        """Send a message. One that is gone is not told; its death is noticed where it is listened to."""
        ...


@runtime_checkable
class Supervisor(Protocol):
    """The processes of one run, by the names of the coordinator's workers."""

    @property
    def children(self) -> Mapping[str, Child]:
        """Those that are there, as far as is known."""
        ...

    def start(self, worker: Worker) -> Child:
        """Start a worker's process."""
        ...

    def listen(self, timeout: float) -> Iterator[tuple[Child, Up | Gone]]:
        """What processes say within `timeout` seconds; the learner's words first.

        Raises:
            SteelyardError: one ended by a mistake that the user can correct.
        """
        ...

    def speaking(self) -> frozenset[str]:
        """Names of those that are not silent, though nothing of them has been read just now."""
        ...

    def replace(self, name: str, after: float) -> None:
        """End what is left of a process, and let another take its place after so many seconds."""
        ...

    def due(self) -> list[str]:
        """Names of workers that are to be started again now."""
        ...

    def dismiss(self, *, at_once: bool = False) -> None:
        """End every process: ask, wait a little, then kill; or kill at once."""
        ...


def heard(message: Up) -> Up | Gone:
    """A process's message, or why it has failed.

    Raises:
        SteelyardError: it ended by a mistake that the user can correct.
    """
    if not isinstance(message, Failed):
        return message
    if (mistake := message.known()) is not None:
        raise mistake
    return Gone(f"failed with {message.error.strip().splitlines()[-1]}")
