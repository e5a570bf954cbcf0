"""What is going to happen in an inline run, and when. Events are data, not closures: a checkpoint holds them.

Events at the same time come in the order of `Kind`, then in the order in which they were made, so a learner step of
cost 0 is seen by the searcher that delivered. Every searcher has exactly one event ahead of it, which also says what it
is doing.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import msgspec

from steelyard.core import Trajectory, from_bytes, to_bytes
from steelyard.searcher import Assignment

Kind = Literal["deliver", "crash", "kill", "learn", "search"]
_RANK: dict[Kind, int] = {kind: rank for rank, kind in enumerate(get_args(Kind))}


@dataclass(frozen=True)
class Event:
    """One thing to come.

    deliver: a searcher's batch arrives. crash: a searcher dies. kill: a silent searcher is killed at its deadline.
    learn: the learner's step ends. search: a searcher takes up a batch, after a restart too.
    """

    when: float
    """Virtual seconds."""
    kind: Kind
    since: float
    """When what ends here began, or when it was put off (virtual seconds)."""
    searcher: int | None = None
    """Whose event it is; None for the learner."""
    version: int | None = None
    """Weights at work: the searcher's, or those that the learner started from."""
    assignments: Sequence[Assignment] = ()
    """What the searcher was given."""
    groups: Sequence[list[Trajectory]] = field(default=(), repr=False)
    """What it found, as one group; or the learner's batch."""

    def doing(self, now: float) -> str:
        """What the searcher that waits for this event does, as an onlooker sees it."""
        match self.kind:
            case "kill":
                doing = f"silent since {self.since:g}"
            case "search":
                doing = f"restarting at {self.when:g}" if self.when > now else "ready"
            case _:
                doing = f"at work since {self.since:g}"
        return f"searcher {self.searcher} {doing}"


class _Wire(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """An event and its place in the order, on disk."""

    order: int
    when: float
    kind: Kind
    since: float
    searcher: int | None
    version: int | None
    assignments: list[tuple[int, int]]
    groups: list[list[bytes]]


class _Flight(msgspec.Struct, forbid_unknown_fields=True):
    """The queue on disk."""

    made: int
    events: list[_Wire]


class Queue:
    """The events to come."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, int, Event]] = []
        self._made = 0

    def __iter__(self) -> Iterator[Event]:
        return (event for *_, event in sorted(self._heap, key=lambda entry: entry[:3]))

    @property
    def empty(self) -> bool:
        """True where nothing is to come."""
        return not self._heap

    @property
    def learning(self) -> bool:
        """True while the learner makes a step."""
        return any(event.kind == "learn" for *_, event in self._heap)

    @property
    def next_time(self) -> float:
        """When the next event comes (virtual seconds)."""
        return self._heap[0][0]

    def put(self, event: Event) -> None:
        """Add an event; among equals it comes last."""
        self._push(event, self._made)
        self._made += 1

    def pop(self) -> Event:
        """Take the next event."""
        return heapq.heappop(self._heap)[-1]

    def _push(self, event: Event, order: int) -> None:
        heapq.heappush(self._heap, (event.when, _RANK[event.kind], order, event))

    def to_bytes(self) -> bytes:
        """Msgpack bytes of the queue, trajectories included; equal queues give equal bytes."""
        entries = sorted(self._heap, key=lambda entry: entry[:3])
        return msgspec.msgpack.encode(_Flight(self._made, [_to_wire(event, order) for _, _, order, event in entries]))

    @classmethod
    def from_bytes(cls, data: bytes) -> "Queue":
        """The queue that `to_bytes` wrote.

        Raises:
            msgspec.DecodeError: the bytes are not a queue.
        """
        flight = msgspec.msgpack.decode(data, type=_Flight)
        queue = cls()
        for wire in flight.events:
            queue._push(_from_wire(wire), wire.order)
        queue._made = flight.made
        return queue


def _to_wire(event: Event, order: int) -> _Wire:
    assignments = [(a.prompt, a.sample) for a in event.assignments]
    groups = [[to_bytes(t) for t in group] for group in event.groups]
    return _Wire(order, event.when, event.kind, event.since, event.searcher, event.version, assignments, groups)


def _from_wire(wire: _Wire) -> Event:
    assignments = [Assignment(*pair) for pair in wire.assignments]
    groups = [[from_bytes(t) for t in group] for group in wire.groups]
    return Event(wire.when, wire.kind, wire.since, wire.searcher, wire.version, assignments, groups)
