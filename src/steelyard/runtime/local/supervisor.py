"""The child processes of a run: started, listened to, replaced. The coordinator decides who is given up and when."""

import time
from collections.abc import Iterator
from multiprocessing.connection import wait

from steelyard.runtime.coordinator.workers import Worker
from steelyard.runtime.local.children import Child, spawn
from steelyard.runtime.local.pipe import receive_up
from steelyard.runtime.roles.messages import Up
from steelyard.runtime.roles.supervision import Gone, Restarts, WorkerSpec, heard

_GRACE = 3.0


class ChildSupervisor:
    """The children of one run, by the names of the coordinator's workers.

    Args:
        spec: what every child is told.
        shared: descriptors of the memory of weights and references.
    """

    def __init__(self, spec: WorkerSpec, shared: tuple[int, int]) -> None:
        self.spec = spec
        self.children: dict[str, Child] = {}
        self._shared = shared
        self._restarts = Restarts()

    def start(self, worker: Worker) -> Child:
        """Start a worker's process."""
        child = spawn(worker.role, worker.name, self.spec, self._shared)
        self.children[worker.name] = child
        return child

    def listen(self, timeout: float) -> Iterator[tuple[Child, Up | Gone]]:
        """What children say within `timeout` seconds, one message of each; the learner's first.

        The learner announces weights before a searcher can see them, so its word is heard before their data.

        Raises:
            SteelyardError: a child ended by a mistake that the user can correct.
        """
        pipes = {child.pipe: child for child in self.children.values() if not child.pipe.closed}
        spoke = {pipes[pipe] for pipe in wait(list(pipes), timeout)}  # pyright: ignore[reportArgumentType]
        for child in sorted(spoke, key=lambda child: child.role != "learner"):
            if not child.pipe.closed:
                yield child, _hear(child)

    def speaking(self) -> frozenset[str]:
        """Names of children whose messages have arrived and are not read yet."""
        return frozenset(c.name for c in self.children.values() if not c.pipe.closed and c.pipe.poll(0))

    def replace(self, name: str, after: float) -> None:
        """End what is left of a child, and let another take its place after so many seconds."""
        child = self.children.pop(name)
        child.kill()
        child.reap(_GRACE)
        self._restarts.put(name, after)

    def due(self) -> list[str]:
        """Names of workers that are to be started again now."""
        return self._restarts.due()

    def dismiss(self, *, at_once: bool = False) -> None:
        """End every child: ask, wait a little, then kill; or kill at once."""
        self._restarts.clear()
        for child in self.children.values():
            if at_once:
                child.kill()
            else:
                child.end()
        until = time.monotonic() + _GRACE
        for child in self.children.values():
            child.reap(max(0.0, until - time.monotonic()))


def _hear(child: Child) -> Up | Gone:
    """A child's next message, or why there is none.

    Raises:
        SteelyardError: it ended by a mistake that the user can correct.
    """
    try:
        message = receive_up(child.pipe)
    except BlockingIOError:
        child.kill()
        child.pipe.close()
        return Gone("froze in the middle of a message")
    except (EOFError, OSError):  # OSError: it died in the middle of a message
        child.pipe.close()
        return Gone(child.why_gone())
    return heard(message)
