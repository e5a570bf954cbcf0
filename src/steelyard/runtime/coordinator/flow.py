"""Little's law as a run's check of its own books: samples under way = samples that come a second x seconds of each.

    L = lambda W        over a window from a to b, with its edges:

    sum over t of L(t) dt  =  N W  +  S  +  A(b) - A(a)

L(t) is what the coordinator says that its searchers owe, N what the run has counted as come. W, the mean time from
handing a sample out to its coming, is measured here, sample by sample; so are S, the time of those that were taken
back (their searcher died), and A, the age of those under way. With right books both sides are the same in any window. A
sample that is lost, kept in the books for ever or counted twice sets them apart, and the run says so.
Source: Little 1961, Operations Research 9(3); the form with edges is only what a sum of times is.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from steelyard.runtime.coordinator import commands as c
from steelyard.runtime.coordinator import messages as m
from steelyard.runtime.coordinator.coordinator import Coordinator
from steelyard.searcher import Assignment

WINDOW = 10.0
"""Seconds that the figures look back."""
APART = 0.05
"""Share by which the two sides may differ: they differ by rounding alone."""


@dataclass(frozen=True)
class Flowing:
    """A window's figures."""

    under_way: float
    """L, a mean over the window's time (samples)."""
    per_s: float
    """lambda, samples that came a second."""
    seconds: float
    """W, a mean over those that came; 0 where none came."""
    expected: float
    """What the right side says that L is."""
    driver_busy: float
    """Share of a core that the driver has computed for."""

    @property
    def wrong(self) -> bool:
        """A count is wrong."""
        return abs(self.under_way - self.expected) > APART * max(self.under_way, self.expected)

    @property
    def row(self) -> dict[str, float]:
        """By the names of timing.jsonl."""
        return {
            "samples_under_way": self.under_way,
            "samples_per_s": self.per_s,
            "sample_seconds": self.seconds,
            "driver_busy": self.driver_busy,
        }

    @property
    def warning(self) -> str:
        """What is wrong, where something is."""
        return (
            f"a count is wrong: {self.under_way:.4g} samples under way, where {self.per_s:.4g} a second x "
            f"{self.seconds:.4g} s each, and what the window's edges add, are {self.expected:.4g}"
        )


@dataclass(frozen=True)
class _Sums:
    """Since the begin, up to a moment."""

    at: float
    owed: float
    """Of samples that were owed, times seconds."""
    came: int
    """N, as the run has counted."""
    arrived: int
    """The same, as it was seen here."""
    stayed: float
    """Seconds of those that arrived."""
    withdrawn: float
    """S."""
    age: float
    """A."""
    busy: float
    """Seconds that the driver has computed."""


class Flow:
    """Watches what a coordinator is told and what it asks for.

    Args:
        coordinator: whose books are checked.
    """

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self._since: dict[str, dict[Assignment, float]] = {}
        """Worker -> when each sample under way was handed out."""
        self._owes: dict[str, int] = {}
        """Worker -> what it owes by the coordinator's books."""
        self._owing = 0
        """What all owe together."""
        self._now: float | None = None
        self._owed = self._stayed = self._withdrawn = 0.0
        self._arrived = 0
        self._number = 0
        """Samples under way, as they were seen here."""
        self._born = 0.0
        """Sum of the times at which these were handed out."""
        self._kept: deque[_Sums] = deque()

    def note(self, now: float, commands: Sequence[c.Command], message: m.Message | None = None) -> None:
        """The coordinator was told `message` at `now`, and asked for these."""
        if self._now is not None:
            self._owed += (now - self._now) * self._owing
        self._now = now
        touched = {command.worker for command in commands if isinstance(command, c.Assign | c.Restart)}
        if isinstance(message, m.Found | m.BatchDone | m.WorkerReady):
            touched.add(message.worker)
        for worker in touched:
            self._settle(worker, now, message)
        for command in commands:
            if isinstance(command, c.Assign):
                self._begin(command, now)

    def _begin(self, command: c.Assign, now: float) -> None:
        under_way = self._since.setdefault(command.worker, {})
        for assignment in command.assignments:
            if assignment in under_way:  # taken back, and handed out again to the same one
                self._withdrawn += self._end(under_way[assignment], now)
            under_way[assignment] = now
        self._number += len(command.assignments)
        self._born += now * len(command.assignments)

    def _settle(self, name: str, now: float, message: m.Message | None) -> None:
        """Samples of a worker have come, and others may have been taken back."""
        under_way = self._since.get(name, {})
        books = self._coordinator
        if isinstance(message, m.Found):
            for trajectory in message.trajectories:
                begun = under_way.pop(books.scheduler.assignment_of(trajectory), None)
                if begun is not None:
                    self._arrived += 1
                    self._stayed += self._end(begun, now)
        owed = books.workers[name].owed()
        self._owing += len(owed) - self._owes.get(name, 0)
        self._owes[name] = len(owed)
        if isinstance(message, m.Found):
            return
        for assignment in under_way.keys() - {*owed}:
            self._withdrawn += self._end(under_way.pop(assignment), now)

    def _end(self, begun: float, now: float) -> float:
        self._number -= 1
        self._born -= begun
        return now - begun

    def look(self, busy: float = 0.0) -> Flowing | None:
        """The window up to the last note; None while it is shorter than a second. To be asked again and again.

        Args:
            busy: seconds that the driver has computed since its begin.
        """
        if self._now is None:
            return None
        self._kept.append(self._sums(self._now, busy))
        while len(self._kept) > 2 and self._kept[1].at <= self._now - WINDOW:
            self._kept.popleft()
        first, last = self._kept[0], self._kept[-1]
        passed = last.at - first.at
        if passed < 1.0:
            return None
        came = last.came - first.came
        arrived = last.arrived - first.arrived
        each = (last.stayed - first.stayed) / arrived if arrived else 0.0
        edges = last.withdrawn - first.withdrawn + last.age - first.age
        return Flowing(
            under_way=(last.owed - first.owed) / passed,
            per_s=came / passed,
            seconds=each,
            expected=(came * each + edges) / passed,
            driver_busy=(last.busy - first.busy) / passed,
        )

    def _sums(self, now: float, busy: float) -> _Sums:
        books = self._coordinator
        unknown = int(books.replay.metrics().get("replay/unknown_version", 0))
        return _Sums(
            at=now,
            owed=self._owed,
            came=books.statistics.trajectories + unknown,
            arrived=self._arrived,
            stayed=self._stayed,
            withdrawn=self._withdrawn,
            age=now * self._number - self._born,
            busy=busy,
        )
