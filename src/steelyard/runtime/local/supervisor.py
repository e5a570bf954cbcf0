"""The supervision of a run's children: who is alive, who has fallen silent, who is started again and when.

The learner carries the run: its death ends it. A searcher or the evaluator that dies or hangs is started again, after a
back-off, until failures pile up (`Failures`).
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import wait

from steelyard.core import FaultError
from steelyard.runtime.failures import Failures
from steelyard.runtime.local.children import Child, Plan, spawn
from steelyard.runtime.local.messages import Failed, Role, Up, receive_up

_GRACE = 3.0


@dataclass(frozen=True)
class Lost:
    """A child that was given up: what it was, why, and the seconds until another takes its place."""

    child: Child
    why: str
    again_in: float


class Crew:
    """The children of one run.

    Args:
        plan: what each child is told.
        failures: counts those of searchers and evaluator.
        on_lost: called for each child that was given up and will be replaced.
    """

    def __init__(self, plan: Plan, failures: Failures, on_lost: Callable[[Lost], None]) -> None:
        self.plan = plan
        self.failures = failures
        self._on_lost = on_lost
        self.children: list[Child] = []
        self._due: list[tuple[float, Role, str]] = []

    def start(self) -> None:
        """Start a learner, an evaluator and the searchers."""
        self._spawn("learner", "learner")
        self._spawn("evaluator", "evaluator")
        for i in range(self.plan.run.num_searchers):
            self._spawn("searcher", f"searcher {i}")

    def of(self, role: Role) -> list[Child]:
        """The children of one role that are alive, as far as is known."""
        return [child for child in self.children if child.role == role]

    @property
    def learner(self) -> Child:
        """The learner."""
        return self.of("learner")[0]

    @property
    def whole(self) -> bool:
        """True where nobody is missing and everybody has built their parts."""
        return not self._due and all(child.ready for child in self.children)

    def listen(self, timeout: float) -> Iterator[tuple[Child, Up]]:
        """What children say within `timeout` seconds, one message of each; the learner's first.

        The learner announces weights before a searcher can see them, so its word is heard before their data.

        Raises:
            FaultError: the learner is gone, or others have failed too often.
            SteelyardError: a child ended by a mistake that the user can mend.
        """
        pipes = {child.pipe: child for child in self.children if not child.pipe.closed}
        spoke = {pipes[pipe] for pipe in wait(list(pipes), timeout)}  # pyright: ignore[reportArgumentType]
        for child in sorted(spoke, key=lambda child: child.role != "learner"):
            message = self._hear(child)
            if message is not None:
                yield child, message

    def _hear(self, child: Child) -> Up | None:
        try:
            message = receive_up(child.pipe)
        except BlockingIOError:
            self._give_up(child, "froze in the middle of a message")
            return None
        except (EOFError, OSError):  # OSError: it died in the middle of a message
            if child.stopping:
                child.pipe.close()
            else:
                self._give_up(child, child.why_gone())
            return None
        child.heard = time.monotonic()
        if not isinstance(message, Failed):
            return message
        if (mistake := message.known()) is not None:
            raise mistake
        self._give_up(child, f"failed with {message.error.strip().splitlines()[-1]}")
        return None

    def tend(self) -> None:
        """Give up who has hung, start again who is due.

        Raises:
            FaultError: as for `listen`.
        """
        now = time.monotonic()
        for child in list(self.children):
            limit = self._patience(child)
            if limit is not None and now - child.heard > limit and not child.pipe.poll(0):
                self._give_up(child, f"said nothing for {now - child.heard:.0f} s{_doing(child)}")
        for due in [due for due in self._due if due[0] <= now]:
            self._due.remove(due)
            self._spawn(due[1], due[2])

    def _patience(self, child: Child) -> float | None:
        """Seconds that this child may be silent now; None where nothing is expected of it."""
        local = self.plan.run.local
        if child.pipe.closed or child.stopping:
            return None
        if not child.ready:
            return local.start_deadline
        return local.search_deadline if child.role == "searcher" and child.busy else None

    def _give_up(self, child: Child, why: str) -> None:
        """Replace a child, or end the run where it was the learner."""
        child.kill()
        child.reap(_GRACE)
        if child.role == "learner":
            hint = "look above for its last words, and at memory; then go on with steelyard train --resume"
            raise FaultError(f"{why} while the run was going", where=child.label, hint=hint)
        self.children.remove(child)
        now = time.monotonic()
        seconds = self.failures.note(child.name, why, now)
        self._due.append((now + seconds, child.role, child.name))
        self._on_lost(Lost(child, why, seconds))

    def _spawn(self, role: Role, name: str) -> None:
        self.children.append(spawn(role, name, self.plan))

    def dismiss(self, *, at_once: bool = False) -> None:
        """End every child: ask, wait a little, then kill; or kill at once."""
        self._due.clear()
        for child in self.children:
            if at_once:
                child.kill()
            else:
                child.stop()
        until = time.monotonic() + _GRACE
        for child in self.children:
            child.reap(max(0.0, until - time.monotonic()))


def _doing(child: Child) -> str:
    undone = child.undone()
    return f" with {len(undone)} samples to draw" if undone else " before it was ready"
