"""What both replays share: the file, the ledger of published weights, and the return to a checkpoint.

The ledger maps each published version to the digest of its weights. Once it has an entry, a trajectory of an unknown
version, or of a known version with another digest, is refused and counted as `unknown_version`. So data of weights that
were never published, or of an engine that missed an update, cannot reach the learner.

    arrived = refused + unknown_version + errors + admitted     (a queue admits errors too: there they do not count)
    admitted = stored + evicted + duplicates + used
"""

import gc
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

import msgspec

from steelyard.core import SteelyardError, Trajectory, require
from steelyard.core.moved import current_counts
from steelyard.replay.database import Database
from steelyard.replay.entry import Entry
from steelyard.replay.sqlite_file import DAMAGED, opening


class Position(msgspec.Struct):
    """The part of a checkpoint's state that every replay has: number of the last event, and the counters after it."""

    position: int = 0
    counts: dict[str, int] = msgspec.field(default_factory=dict)


S = TypeVar("S", bound=Position)


class Durable(ABC):
    """A replay over a file. It continues with what the file holds."""

    def __init__(self, file: Database) -> None:
        self._file = file
        with opening(file.where), file.closed_on_error():
            self._reload()

    @abstractmethod
    def _load(self, entries: list[Entry]) -> None:
        """Rebuild the index from all live entries, which come in order of arrival."""

    @abstractmethod
    def add(self, trajectories: Sequence[Trajectory], *, version: int) -> int:
        """Store trajectories arriving while the learner is at `version`; returns how many were admitted."""

    def _reload(self) -> list[Entry]:
        """Rebuild the index from the file; returns its entries."""
        with _paused_gc():
            entries = self._live()
            self._load(entries)
        return entries

    def publish(self, version: int, digest: str) -> None:
        """Enter weights into the ledger; stored when this returns. Entering the same pair again changes nothing.

        Raises:
            SteelyardError: the ledger holds another digest for this version.
        """
        self.publish_all({version: digest})

    def publish_all(self, weights: Mapping[int, str]) -> None:
        """Enter several versions (version -> digest), all or none.

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
        """The highest version in the ledger; None while the ledger is empty."""
        return max(self._file.weights, default=None)

    def knows(self, trajectory: Trajectory) -> bool:
        """Whether the weights that sampled it are in the ledger under its digest; true while the ledger is empty."""
        ledger = self._file.weights
        return not ledger or ledger.get(trajectory.version) == trajectory.digest

    def admitted_since(self, state: Mapping[str, object] | None) -> list[tuple[str, int]]:
        """(prompt id, sample) of each trajectory admitted after `state`, in order; None means from the beginning."""
        return self._file.admitted_since(read_state(state, Position, self._file.where).position)

    def forget(self, state: Mapping[str, object]) -> None:
        """Free the space of what was removed before `state`; `restore` can then go back no further than `state`."""
        self._file.forget(read_state(state, Position, self._file.where).position)

    def close(self) -> None:
        """Close the file. The replay cannot be used afterwards."""
        self._file.close()

    def _live(self) -> list[Entry]:
        """All live entries, after checking their number against the counters."""
        entries = self._file.live()
        expected = _num_stored(self._file.counts)
        require(
            len(entries) == expected,
            f"is damaged: it holds {len(entries)} trajectories, and its counters say {expected}",
            where=self._file.where,
            hint=DAMAGED,
        )
        return entries

    def _check_fits(self, at: Position) -> None:
        """Refuse the state of another file before anything in this one changes."""
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


def read_state(state: Mapping[str, object] | None, kind: type[S], where: str) -> S:
    """Decode the state that a replay once returned; None is the state of an empty replay.

    Raises:
        SteelyardError: it is not the state of this kind of replay.
    """
    try:
        found = msgspec.convert(dict(state or {}), kind)
        found.counts = current_counts(found.counts)
        return found
    except msgspec.ValidationError as error:
        raise SteelyardError(
            f"the checkpoint's replay state is wrong ({error})", where=where, hint="resume from another checkpoint"
        ) from error


@contextmanager
def _paused_gc() -> Iterator[None]:
    """Pause garbage collection: it would scan the growing list of up to a million entries many times, in vain."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
