"""The actors of a run: started, listened to, replaced. The coordinator decides who is given up and when.

Ray is asked not to restart them: the coordinator does, after a pause, within a limit and with a row in faults.jsonl. So
no call is made twice, and what an actor has said is heard once or, if it died before, never.
"""

import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from steelyard.core import StallError
from steelyard.runtime.coordinator.workers import Worker
from steelyard.runtime.ray.actor import ACTORS, THREADS
from steelyard.runtime.ray.cluster import Place
from steelyard.runtime.ray.mail import Offer
from steelyard.runtime.roles.messages import Down, End, Failed, Placed, Role, Up, pack, unpack_up
from steelyard.runtime.roles.supervision import Gone, Restarts, WorkerSpec, heard

_GRACE = 3.0
_LONGEST_S = 3600.0
"""Ray takes no endless deadline."""
_HEAR_S = 30.0
"""Seconds that an actor waits for something to say before it says that there is nothing. Each such answer costs the
driver half a millisecond: one a second from each of a thousand actors is more than it can take."""
_SHOWN_AT_ONCE = 64
"""Actors that are shown new weights between two looks at what has been said. More would hold the learner's word up, and
with a thousand actors and ten versions a second they would be shown more than anybody can read."""


@dataclass(eq=False)
class ActorChild:
    """One actor, its place, and the call in which it will say something next."""

    role: Role
    name: str
    handle: Any
    pid: int | None = None
    """None while it waits for a place."""
    node: str = ""
    hearing: Any = None
    """None once it has said all or is gone."""
    shown: dict[str, int] = field(default_factory=dict)
    """Weights or reference -> the newest version that it was shown."""
    _told: int = field(default=0, repr=False)

    @property
    def label(self) -> str:
        """Its name and place."""
        return self.name if self.pid is None else f"{self.name} (pid {self.pid} on {self.node})"

    def tell(self, message: Down) -> None:
        """Send a message. One that is gone is not told; its death is noticed where it is heard."""
        self.handle.tell.remote(self._told, pack(message))
        self._told += 1

    def show(self, offer: Offer, reference: Any) -> None:
        """Let it pull these weights."""
        self.shown[offer[0]] = offer[1]
        self.handle.show.remote(*offer, [reference])

    def hear(self) -> None:
        """Ask it to say something."""
        self.hearing = self.handle.hear.remote(_HEAR_S)


class ActorSupervisor:
    """The actors of one run, by the names of the coordinator's workers.

    Args:
        spec: what every actor is told.
        ray: the package, in a cluster.
    """

    def __init__(self, spec: WorkerSpec, ray: Any) -> None:
        self.spec = spec
        self.children: dict[str, ActorChild] = {}
        self._ray = ray
        self._node: str = ray.get_runtime_context().get_node_id()
        self._actors = {role: ray.remote(kind) for role, kind in ACTORS.items()}
        self._restarts = Restarts()
        self._offers: dict[str, tuple[Offer, Any]] = {}
        """The newest weights and the newest reference."""
        self._placed: set[Role] = set()
        """Roles that had a place at some time."""
        self._until = time.monotonic() + spec.run.local.start_deadline

    def start(self, worker: Worker) -> ActorChild:
        """Ask for an actor; it begins when the cluster has a place for it."""
        place = Place.of(self.spec.run.ray, worker.role)
        actor = self._actors[worker.role].options(
            max_restarts=0, max_task_retries=0, max_concurrency=THREADS, **place.options(self._node)
        )
        child = ActorChild(worker.role, worker.name, actor.remote(str(Path.cwd()), self.spec.run.local.threads))
        child.handle.serve.remote()
        child.tell(self.spec.build(worker.role))
        for offer, reference in self._offers.values():
            child.show(offer, reference)
        child.hear()
        self.children[worker.name] = child
        return child

    def listen(self, timeout: float) -> Iterator[tuple[ActorChild, Up | Gone]]:
        """What actors say within `timeout` seconds; the learner's words first, also those that come meanwhile: behind
        hundreds of searchers it would wait for seconds.

        The learner offers weights after it has announced them. They are shown to others once the announcement has been
        dealt with, which is when this goes on.

        Raises:
            SteelyardError: an actor ended by a mistake that the user can correct, or none of a role found a place.
        """
        for child in self._ready(timeout):
            yield from self._overtaking()
            if self.children.get(child.name) is child and child.role != "learner":
                yield from self._words(child)
        self._show()
        self._check_places()

    def speaking(self) -> frozenset[str]:
        """Names of actors that have said something which is not heard yet, and of searchers that wait for a place."""
        ready = {child.name for child in self._ready(0.0)}
        waiting = {c.name for c in self.children.values() if c.pid is None and c.role == "searcher"}
        return frozenset(ready | waiting)

    def replace(self, name: str, after: float) -> None:
        """End what is left of an actor, and let another take its place after so many seconds."""
        self._ray.kill(self.children.pop(name).handle)
        self._restarts.put(name, after)

    def due(self) -> list[str]:
        """Names of workers that are to be started again now."""
        return self._restarts.due()

    def dismiss(self, *, at_once: bool = False) -> None:
        """End every actor: ask, wait a little, then kill; or kill at once."""
        self._restarts.clear()
        until = time.monotonic() + (0.0 if at_once else _GRACE)
        for child in self.children.values() if not at_once else ():
            child.tell(End())
        while (left := until - time.monotonic()) > 0 and any(c.hearing is not None for c in self.children.values()):
            for child in self._ready(left):
                self._take(child)
        for child in self.children.values():
            self._ray.kill(child.handle)

    def _ready(self, timeout: float) -> list[ActorChild]:
        """Those that have said something; waits so long for the first. The learner comes first."""
        waiting = {child.hearing: child for child in self.children.values() if child.hearing is not None}
        if not waiting:
            time.sleep(timeout)
            return []
        ready, _ = self._ray.wait([*waiting], num_returns=1, timeout=timeout)
        if ready:
            ready, _ = self._ray.wait([*waiting], num_returns=len(waiting), timeout=0)
        return sorted((waiting[call] for call in ready), key=lambda child: child.role != "learner")

    def _take(self, child: ActorChild) -> tuple[list[tuple[Any, Any]], Gone | None]:
        """What an actor has said, and how it ended, if it has; it is asked to go on otherwise."""
        errors = self._ray.exceptions
        try:
            said, ended = self._ray.get(child.hearing, timeout=min(self.spec.run.local.deadline, _LONGEST_S))
        except errors.RayTaskError:
            raise  # a mistake of ours
        except errors.RayError as error:
            child.hearing = None
            return [], Gone(why_gone(error))
        if ended:
            child.hearing = None
            return said, Gone("ended")
        child.hear()
        return said, None

    def _overtaking(self) -> Iterator[tuple[ActorChild, Up | Gone]]:
        """What the learner has said by now."""
        learner = self.children.get("learner")
        if learner is not None and learner.hearing is not None and self._ray.wait([learner.hearing], timeout=0)[0]:
            yield from self._words(learner)

    def _words(self, child: ActorChild) -> Iterator[tuple[ActorChild, Up | Gone]]:
        said, gone = self._take(child)
        for what, reference in said:
            if not isinstance(what, bytes):
                self._offers[what[0]] = (what, reference)
                self._show()
                continue
            message = unpack_up(what)
            if isinstance(message, Placed):
                child.pid, child.node = message.pid, message.node
                self._placed.add(child.role)
            if isinstance(message, Failed) and message.mistake is None:
                print(message.error, file=sys.stderr)  # its own standard error is a file of Ray's, perhaps elsewhere
            yield child, heard(message)
        if gone is not None:
            yield child, gone

    def _show(self) -> None:
        """Show the learner's newest weights: to all at once where they are few, to the evaluator in any case, since it
        may be told next to measure them, and then first to those who have the oldest ones."""
        for offer, reference in self._offers.values():
            which, version, _ = offer
            behind = [c for c in self.children.values() if c.role != "learner" and c.shown.get(which, -1) < version]
            behind.sort(key=lambda child: (child.role != "evaluator", child.shown.get(which, -1)))
            for child in behind[:_SHOWN_AT_ONCE]:
                child.show(offer, reference)

    def _check_places(self) -> None:
        """A run cannot begin before it has a learner, an evaluator and a searcher.

        Raises:
            StallError: the cluster did not have places for them in time.
        """
        missing = {"learner", "evaluator", "searcher"} - self._placed
        if missing and time.monotonic() > self._until:
            waited = self.spec.run.local.start_deadline
            what = f"no place for {' and '.join(sorted(missing))} within {waited:g} s"
            hint = "make room in the cluster, ask for less of it, or raise --local.start-deadline"
            raise StallError(what, where="driver waits for the Ray cluster", hint=hint)


def why_gone(error: Exception) -> str:
    """How an actor ended, as its end of the sentence "searcher 0 ...", from Ray's longer words."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if "creation task" in (lines or [""])[0]:
        return f"could not begin: {lines[-1]}"
    found = re.search(r"(?:because|is unavailable:) (.*?)(?:\.(?:\s|$)|$)", " ".join(lines))
    return f"is gone: {found[1]}" if found else f"is gone ({type(error).__name__})"
