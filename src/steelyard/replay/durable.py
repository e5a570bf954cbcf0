"""What both replays do in the same way: the ledger of published weights, the file, and going back to a checkpoint.

The ledger answers "whose data is this?": once any weights are published, a trajectory whose version is not in it, or
carries another digest, is refused and counted as foreign. So data of weights that never were, or of an engine that
missed an update, cannot reach the learner.

    arrived = refused + foreign + errors + admitted        (a queue admits errors too: they are not in the sum)
    admitted = stored + evicted + duplicates + used
"""

import gc
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec

from steelyard.core import SteelyardError, Trajectory, require
from steelyard.replay.database import Database
from steelyard.replay.row import Row
from steelyard.replay.sqlite_file import DAMAGED, opening


class Position(msgspec.Struct):
    """What the state of every replay begins with: the number of the last event, and the counters after it."""

    position: int = 0
    counts: dict[str, int] = msgspec.field(default_factory=dict)


S = TypeVar("S", bound=Position)


class Durable(ABC):
    """A replay over a file; continues what the file holds."""

    def __init__(self, file: Database) -> None:
        self._file = file
        with opening(file.where), file.closed_on_error():
            self._reload()

    @abstractmethod
    def _load(self, rows: list[Row]) -> None:
        """Build the index anew from all live rows, in the order of arrival."""

    @abstractmethod
    def add(self, trajectories: Sequence[Trajectory], *, version: int) -> int:
        """Store trajectories arriving while the learner is at `version`; returns how many were admitted."""

    def _reload(self) -> list[Row]:
        """Build the index anew from the file; returns its rows."""
        with _no_collection():
            rows = self._live()
            self._load(rows)
        return rows

    def publish(self, version: int, digest: str) -> None:
        """Enter weights into the ledger; stored when this returns. The same entry twice does nothing.

        Raises:
            SteelyardError: the ledger holds another digest for this version.
        """
        self.publish_all({version: digest})

    def publish_all(self, weights: Mapping[int, str]) -> None:
        """Enter several (version -> digest) at once, all or none.

        Raises:
            SteelyardError: the ledger holds another digest for one of these versions.
        """
        self._file.check_usable()
        ledger = self._file.weights
        for version, digest in weights.items():
            known = ledger.get(version, digest)
            require(
                known == digest,
                f"version {version} is known with digest {known}, and {digest} is published",
                where=self._file.where,
                hint="a version names one set of weights: go on above the newest version",
            )
        with self._file.transaction() as events:
            for version in sorted(weights.keys() - ledger.keys()):
                events.publish(version, weights[version])
                ledger[version] = weights[version]

    def newest_version(self) -> int | None:
        """The highest version in the ledger, None while that is empty."""
        return max(self._file.weights, default=None)

    def taken_since(self, state: Mapping[str, Any] | None) -> list[tuple[str, int]]:
        """(prompt id, sample) of each trajectory admitted after `state`, in order; of all if None."""
        return self._file.taken_since(read_state(state, Position, self._file.where).position)

    def forget(self, state: Mapping[str, Any]) -> None:
        """Delete for good what was removed before `state`; `restore` then goes back no further than to it."""
        self._file.forget(read_state(state, Position, self._file.where).position)

    def close(self) -> None:
        """Close the file; nothing else can be done after it."""
        self._file.close()

    def _is_foreign(self, trajectory: Trajectory) -> bool:
        ledger = self._file.weights
        return bool(ledger) and ledger.get(trajectory.version) != trajectory.digest

    def _live(self) -> list[Row]:
        rows = self._file.live()
        expected = _num_stored(self._file.counts)
        require(
            len(rows) == expected,
            f"is damaged: it holds {len(rows)} trajectories, and its counters say {expected}",
            where=self._file.where,
            hint=DAMAGED,
        )
        return rows

    def _check_fits(self, at: Position) -> None:
        """Refuse the state of another file before anything of this one is changed."""
        self._file.check_reaches(at.position)
        if self._file.remembers(at.position):
            self._require_fit(len(self._file.live_at(at.position)) == _num_stored(Counter(at.counts)))

    def _require_fit(self, fits: bool) -> None:
        require(
            fits,
            "holds other trajectories than the checkpoint names",
            where=self._file.where,
            hint="put the run's own file back, or resume from another checkpoint",
        )


def _num_stored(counts: Counter[str]) -> int:
    return counts["admitted"] - counts["evicted"] - counts["duplicates"] - counts["used"]


def read_state(state: Mapping[str, Any] | None, kind: type[S], where: str) -> S:
    """The state that a replay once gave; the beginning where there is none.

    Raises:
        SteelyardError: it is not the state of this kind of replay.
    """
    try:
        return msgspec.convert(dict(state or {}), kind)
    except msgspec.ValidationError as error:
        raise SteelyardError(
            f"the checkpoint's replay state is wrong ({error})", where=where, hint="resume from another checkpoint"
        ) from error


@contextmanager
def _no_collection() -> Iterator[None]:
    """No garbage collection meanwhile: it would walk the growing million of rows again and again, and free nothing."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
