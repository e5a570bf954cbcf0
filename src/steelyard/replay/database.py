"""The durable half of a replay: one SQLite file, one writer, one transaction per call.

Every arrival, removal, draw, report and publication is an event and takes the next number. A removal only marks its
row, so the file can go back to any earlier event until `forget` frees the space. Without a path the same code runs on a
store in memory.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import msgspec

from steelyard.core import SteelyardError, Trajectory, from_bytes, require
from steelyard.replay.entry import Entry
from steelyard.replay.events import Events
from steelyard.replay.metadata import ReplayMetadata
from steelyard.replay.open_file import OpenFile
from steelyard.replay.read_before import ReadBefore
from steelyard.replay.schema import complete, create, read_counters, read_metadata
from steelyard.replay.sqlite_file import is_ours

_LIVE = "SELECT version, seq, prompt, arrived, reward, key FROM rows WHERE gone IS NULL ORDER BY seq"
_BODIES = "SELECT seq, data FROM bodies WHERE seq IN (SELECT value FROM json_each(?))"
_ADMITTED = "SELECT name, sample FROM rows JOIN prompts ON prompts.id = rows.prompt WHERE seq > ? ORDER BY seq"
_STATE = "UPDATE state SET position = ?, counts = ?"
_LIVE_AT = "SELECT seq FROM rows WHERE seq <= ? AND (gone IS NULL OR gone > ?) ORDER BY seq"
_PUT_BACK = ("UPDATE rows SET gone = NULL, why = NULL WHERE gone > ?",)
_ROLLBACK = (
    "DELETE FROM bodies WHERE seq > ?",
    "DELETE FROM rows WHERE seq > ?",
    "DELETE FROM prompts WHERE id > ?",
    "DELETE FROM weights WHERE born > ?",
    "DELETE FROM draws WHERE seq > ?",
    "DELETE FROM reports WHERE seq > ?",
    *_PUT_BACK,
)
_FORGET = (
    "DELETE FROM bodies WHERE seq IN (SELECT seq FROM rows WHERE gone <= ?)",
    "DELETE FROM rows WHERE gone <= ?",
    "UPDATE state SET forgotten = max(forgotten, ?)",
)
READ_BEFORE = 32 * 2**20
"""Bytes of trajectories that stay decoded: thirty thousand of 64 tokens."""


class Database:
    """The contents of an open replay file.

    `counts` are the counters of the replay that owns the file; they are stored with the events that change them.
    `weights` is the ledger of published weights, version -> digest.
    """

    def __init__(self, file: OpenFile, metadata: ReplayMetadata) -> None:
        self.metadata = metadata
        self.path = file.path
        self.where = file.where
        self._file = file
        self._connection = file.connection
        self._read_before = ReadBefore(READ_BEFORE)
        self._read_state()

    @classmethod
    def open(cls, path: Path | None, metadata: ReplayMetadata) -> "Database":
        """Create a file, or continue one that was created with the same settings.

        Raises:
            SteelyardError: it is open elsewhere, not a replay's, damaged, or was begun with other `metadata`.
        """
        return cls._open(path, metadata)

    @classmethod
    def existing(cls, path: Path, kind: type) -> "Database":
        """Continue a file with the settings that it stores, which must be a `kind`.

        Raises:
            SteelyardError: the file is missing or holds settings of another kind; otherwise as `open`.
        """
        require(path.exists(), "is missing", where=str(path), hint="name the replay.sqlite of a run")
        database = cls._open(path, None)
        with database.closed_on_error():
            database.metadata.check_kind(kind, database.where)
        return database

    @classmethod
    def _open(cls, path: Path | None, asked: ReplayMetadata | None) -> "Database":
        with OpenFile.opened(path) as file:
            return cls(file, _metadata(file.connection, asked, str(path)))

    @property
    def position(self) -> int:
        """Number of the last event."""
        return self._events.position

    @property
    def counted(self) -> dict[str, int]:
        """The counters that are not 0, sorted by name, so that equal states give equal JSON."""
        return _nonzero(self.counts)

    @contextmanager
    def transaction(self) -> Iterator[Events]:
        """Collect the events of one call and store them together with `counts` when the block ends.

        Raises:
            FaultError: the disk is full or broken. Nothing of this call is then in the file; all before it is.
        """
        with self._file.writing():
            yield self._events
            self._store()

    def _store(self) -> None:
        counts = _json(self.counts)
        if self._events or counts != self._stored_counts:
            self._connection.execute("BEGIN IMMEDIATE")
            self._events.write_to(self._connection)
            self._connection.execute(_STATE, (self.position, counts))
            self._connection.execute("COMMIT")
            self._stored_counts = counts

    def live(self) -> list[Entry]:
        """The entries of all trajectories that are not removed, in order of arrival."""
        new = tuple.__new__  # Entry's own constructor is three times slower, and a file may hold a million rows
        with self._file.reading():
            names = dict(self._connection.execute("SELECT id, name FROM prompts"))
            try:
                return [
                    new(Entry, (version, seq, names[prompt], arrived, reward, key))
                    for version, seq, prompt, arrived, reward, key in self._connection.execute(_LIVE)
                ]
            except KeyError as error:
                raise self._file.damaged("names of prompts are missing") from error

    def trajectories(self, entries: Iterable[Entry], *, once: bool = False) -> dict[int, Trajectory]:
        """The trajectories of some entries by `seq`; each is read once.

        Args:
            entries: whose.
            once: they will not be asked for again, so they need not stay decoded.
        """
        seqs = sorted({entry.seq for entry in entries})
        found = self._read_before.take(seqs)
        asked = [seq for seq in seqs if seq not in found] if found else seqs
        with self._file.reading():
            read = {seq: self._decode(seq, body) for seq, body in self._connection.execute(_BODIES, (str(asked),))}
            missing = next((seq for seq in asked if seq not in read), None)
            if missing is not None:
                raise self._file.damaged(f"trajectory {missing} is missing")
        if not once:
            self._read_before.put(read)
        return found | read

    def _decode(self, seq: int, body: bytes) -> Trajectory:
        try:
            return from_bytes(body)
        except (msgspec.DecodeError, ValueError) as error:
            raise self._file.damaged(f"trajectory {seq} cannot be read ({error})") from error

    def last_rate(self) -> float | None:
        """The rate (1 / version) of the newest report; None while there is none."""
        with self._file.reading():
            found = self._connection.execute("SELECT rate FROM reports ORDER BY seq DESC LIMIT 1").fetchone()
        return None if found is None else found[0]

    def admitted_since(self, position: int) -> list[tuple[str, int]]:
        """(prompt id, sample) of each trajectory stored after event `position`, removed ones included."""
        with self._file.reading():
            return self._connection.execute(_ADMITTED, (position,)).fetchall()

    def sync(self) -> None:
        """Flush to disk: all that is stored survives a power cut once this returns."""
        with self._file.writing():
            self._connection.execute("PRAGMA synchronous=FULL")  # the next commit syncs the log, and all before it
            self._connection.execute("UPDATE state SET synced = synced + 1")  # an equal page would not be written
            self._connection.execute("PRAGMA synchronous=NORMAL")

    def check_reaches(self, position: int) -> None:
        """Refuse a state that is ahead of the file.

        Raises:
            SteelyardError: the file ends before `position`.
        """
        self.check_usable()
        require(
            position <= self.position,
            f"ends at event {self.position}, and the checkpoint was made at event {position}",
            where=self.where,
            hint="put the run's own file back, or resume from an older checkpoint",
        )

    def remembers(self, position: int) -> bool:
        """True if all rows that were live at event `position` are still in the file."""
        return position >= self._forgotten

    def live_at(self, position: int) -> list[int]:
        """The `seq` of every row that was live at event `position`, which the file must remember, in order."""
        with self._file.reading():
            return [seq for (seq,) in self._connection.execute(_LIVE_AT, (position, position))]

    def roll_back(self, position: int, counts: Mapping[str, int]) -> None:
        """Restore the contents as they were after event `position`, with the counters of then; 0 is the empty file.

        Raises:
            SteelyardError: rows removed after `position` are no longer in the file.
        """
        if position:
            self._check_remembers(position)
        self._rewrite(_ROLLBACK, position, position, counts)

    def put_back(self, position: int, counts: Mapping[str, int]) -> None:
        """Undo the removals after event `position`, and keep everything else.

        Raises:
            SteelyardError: as `roll_back`.
        """
        self._check_remembers(position)
        self._rewrite(_PUT_BACK, position, self.position, counts)

    def _check_remembers(self, position: int) -> None:
        require(
            self.remembers(position),
            f"has forgotten what was removed before event {self._forgotten}",
            where=self.where,
            hint="resume from a newer checkpoint, or begin a new run",
        )

    def _rewrite(self, statements: Iterable[str], position: int, end: int, counts: Mapping[str, int]) -> None:
        with self._file.writing():
            self._connection.execute("BEGIN IMMEDIATE")
            for statement in statements:
                self._connection.execute(statement, (position,))
            self._connection.execute(_STATE, (end, _json(counts)))
            self._connection.execute("UPDATE state SET forgotten = min(forgotten, ?)", (end,))
            self._connection.execute("COMMIT")
            self._read_state()

    def forget(self, position: int) -> None:
        """Delete the rows that were removed by event `position`; the file can then go back no further than that."""
        with self._file.writing():
            self._connection.execute("BEGIN IMMEDIATE")
            for statement in _FORGET:
                self._connection.execute(statement, (position,))
            self._connection.execute("COMMIT")
            self._forgotten = max(self._forgotten, position)

    def close(self) -> None:
        """Close the file and let the next writer in. Closing twice does nothing."""
        self._file.close()

    def closed_on_error(self) -> AbstractContextManager[None]:
        """A block that closes the file if it fails."""
        return self._file.closed_on_error()

    def check_usable(self) -> None:
        """Refuse the use of a closed or failed file.

        Raises:
            SteelyardError: an earlier call failed, or the file is closed.
        """
        self._file.check_usable()

    def _read_state(self) -> None:
        """Read position, counters and ledger from the file, and forget what was read of it before."""
        self._read_before.clear()
        position, self._forgotten, counts = read_counters(self._connection, self.where)
        self._events = Events(position)
        self.counts: Counter[str] = Counter(counts)
        self._stored_counts = _json(counts)
        self.weights: dict[int, str] = dict(self._connection.execute("SELECT version, digest FROM weights"))


def _metadata(connection: sqlite3.Connection, asked: ReplayMetadata | None, where: str) -> ReplayMetadata:
    """The metadata of the file; an empty file is created with `asked`."""
    if is_ours(connection, where):
        found = read_metadata(connection, where)
        if asked is not None:
            found.check_same(asked, where)
        complete(connection)
        return found
    if asked is None:
        raise SteelyardError("is empty", where=where, hint="name the replay.sqlite of a run")
    create(connection, asked)
    return asked


def _nonzero(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: value for name, value in sorted(counts.items()) if value}


def _json(counts: Mapping[str, int]) -> str:
    return msgspec.json.encode(_nonzero(counts)).decode()
