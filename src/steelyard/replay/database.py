"""The durable half of a replay: one SQLite file, one writer, one transaction per call.

Every put, removal and publication takes the next number. A removal only marks its row, so any earlier position can be
gone back to, until `forget` gives the room back. Without a path the same code runs on a store in memory.
"""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import msgspec

from steelyard.core import FaultError, SteelyardError, Trajectory, from_bytes, require
from steelyard.core.lock import Lock
from steelyard.replay.events import Events
from steelyard.replay.metadata import Origin
from steelyard.replay.row import Row
from steelyard.replay.schema import create, origin_of, state_of
from steelyard.replay.sqlite_file import (
    DAMAGED,
    beside,
    check_path,
    connect_writer,
    is_ours,
    lock_of,
    opening,
    reading_failed,
    writing_failed,
)

_LIVE = "SELECT version, seq, prompt, arrived, reward, key FROM rows WHERE gone IS NULL ORDER BY seq"
_BODIES = "SELECT seq, data FROM bodies WHERE seq IN (SELECT value FROM json_each(?))"
_TAKEN = "SELECT name, sample FROM rows JOIN prompts ON prompts.id = rows.prompt WHERE seq > ? ORDER BY seq"
_STATE = "UPDATE state SET position = ?, counts = ?"
_LIVE_AT = "SELECT seq FROM rows WHERE seq <= ? AND (gone IS NULL OR gone > ?) ORDER BY seq"
_PUT_BACK = ("UPDATE rows SET gone = NULL WHERE gone > ?",)
_ROLLBACK = (
    "DELETE FROM bodies WHERE seq > ?",
    "DELETE FROM rows WHERE seq > ?",
    "DELETE FROM prompts WHERE id > ?",
    "DELETE FROM weights WHERE born > ?",
    *_PUT_BACK,
)
_FORGET = (
    "DELETE FROM bodies WHERE seq IN (SELECT seq FROM rows WHERE gone <= ?)",
    "DELETE FROM rows WHERE gone <= ?",
    "UPDATE state SET forgotten = max(forgotten, ?)",
)


class Database:
    """An open replay file.

    `counts` are the counters of the replay that owns the file; they are stored with the events that change them, and
    `weights` is the ledger, version -> digest. After an error all further use is refused: the index in memory may be
    ahead of the file.
    """

    def __init__(self, connection: sqlite3.Connection, origin: Origin, path: Path | None, lock: Lock | None) -> None:
        self.origin = origin
        self.path = path
        self.where = "replay" if path is None else str(path)
        self._connection = connection
        self._lock = lock
        self._unusable = ""
        self._read_state()

    @classmethod
    def open(cls, path: Path | None, origin: Origin) -> "Database":
        """Create a file, or continue one that was begun in the same way.

        Raises:
            SteelyardError: it is open elsewhere, not a replay's, damaged, or was begun with another `origin`.
        """
        return cls._open(path, origin)

    @classmethod
    def existing(cls, path: Path, kind: type) -> "Database":
        """Continue a file as it was begun, with settings of type `kind`.

        Raises:
            SteelyardError: there is none, or it holds another kind; otherwise as `open`.
        """
        require(path.exists(), "is missing", where=str(path), hint="name the replay.sqlite of a run")
        database = cls._open(path, None)
        with database.closed_on_error():
            database.origin.check_kind(kind, database.where)
        return database

    @classmethod
    def _open(cls, path: Path | None, asked: Origin | None) -> "Database":
        where = str(path)
        with ExitStack() as undo, opening(where):
            lock = None
            if path is not None:
                check_path(path)
                lock = Lock(lock_of(path), path)
                undo.callback(lock.release)
                undo.callback(_remove_new, [p for p in beside(path) if not p.exists()])
            connection = connect_writer(path)
            undo.callback(connection.close)
            origin = _origin(connection, asked, where)
            database = cls(connection, origin, path, lock)
            undo.pop_all()
        return database

    @property
    def position(self) -> int:
        """The number of the last event."""
        return self._events.position

    @property
    def counted(self) -> dict[str, int]:
        """The counters that are not 0, in the order of their names: equal where nothing differs."""
        return _nonzero(self.counts)

    @contextmanager
    def transaction(self) -> Iterator[Events]:
        """Collect the events of one call; they are stored together, with `counts`, when the block ends.

        Raises:
            FaultError: the disk is full or broken; then nothing of the call is in the file, and all before it is.
        """
        with self._use(writing_failed):
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

    def live(self) -> list[Row]:
        """Every row that is not gone, in the order of arrival."""
        new = tuple.__new__  # Row's own constructor costs three times as much, and a million rows pass here
        with self._use(reading_failed):
            names = dict(self._connection.execute("SELECT id, name FROM prompts"))
            try:
                return [
                    new(Row, (version, seq, names[prompt], arrived, reward, key))
                    for version, seq, prompt, arrived, reward, key in self._connection.execute(_LIVE)
                ]
            except KeyError as error:
                raise self._damaged("names of prompts are missing") from error

    def trajectories(self, rows: Iterable[Row]) -> dict[int, Trajectory]:
        """The trajectories of some rows, by `seq`; each is read once."""
        seqs = sorted({row.seq for row in rows})
        with self._use(reading_failed):
            found = {seq: self._decode(seq, body) for seq, body in self._connection.execute(_BODIES, (str(seqs),))}
            missing = next((seq for seq in seqs if seq not in found), None)
            if missing is not None:
                raise self._damaged(f"trajectory {missing} is missing")
        return found

    def _decode(self, seq: int, body: bytes) -> Trajectory:
        try:
            return from_bytes(body)
        except (msgspec.DecodeError, ValueError) as error:
            raise self._damaged(f"trajectory {seq} cannot be read ({error})") from error

    def taken_since(self, position: int) -> list[tuple[str, int]]:
        """(prompt id, sample) of each trajectory stored after `position`, whatever became of it."""
        with self._use(reading_failed):
            return self._connection.execute(_TAKEN, (position,)).fetchall()

    def sync(self) -> None:
        """All that is stored survives a power cut when this returns."""
        with self._use(writing_failed):
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
        """True where all that was live at `position` is still in the file."""
        return position >= self._forgotten

    def live_at(self, position: int) -> list[int]:
        """The `seq` of every row that was live at a position that the file remembers, in order."""
        with self._use(reading_failed):
            return [seq for (seq,) in self._connection.execute(_LIVE_AT, (position, position))]

    def roll_back(self, position: int, counts: Mapping[str, int]) -> None:
        """Be exactly as after event `position`, with the counters of then; position 0 is empty.

        Raises:
            SteelyardError: the file no longer holds what was removed after it.
        """
        if position:
            self._check_remembers(position)
        self._rewrite(_ROLLBACK, position, position, counts)

    def put_back(self, position: int, counts: Mapping[str, int]) -> None:
        """Undo the removals after `position`, and keep all else.

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
        with self._use(writing_failed):
            self._connection.execute("BEGIN IMMEDIATE")
            for statement in statements:
                self._connection.execute(statement, (position,))
            self._connection.execute(_STATE, (end, _json(counts)))
            self._connection.execute("UPDATE state SET forgotten = min(forgotten, ?)", (end,))
            self._connection.execute("COMMIT")
            self._read_state()

    def forget(self, position: int) -> None:
        """Delete the rows that were gone by `position`; nothing before it can be gone back to any more."""
        with self._use(writing_failed):
            self._connection.execute("BEGIN IMMEDIATE")
            for statement in _FORGET:
                self._connection.execute(statement, (position,))
            self._connection.execute("COMMIT")
            self._forgotten = max(self._forgotten, position)

    def close(self) -> None:
        """Close the file and let the next writer in. Doing it twice does nothing."""
        self._unusable = self._unusable or "it is closed"
        self._connection.close()
        if self._lock is not None:
            self._lock.release()

    @contextmanager
    def closed_on_error(self) -> Iterator[None]:
        """Close the file if the block fails."""
        with ExitStack() as undo:
            undo.callback(self.close)
            yield
            undo.pop_all()

    def check_usable(self) -> None:
        """Refuse the use of a closed or failed file.

        Raises:
            SteelyardError: an earlier call failed, or the file is closed.
        """
        require(not self._unusable, f"cannot be used: {self._unusable}", where=self.where, hint="open it again")

    @contextmanager
    def _use(self, failed: Callable[[sqlite3.Error, str], FaultError]) -> Iterator[None]:
        self.check_usable()
        try:
            yield
        except BaseException as error:  # an interrupt too: what is in memory may be ahead of the file
            self._unusable = f"an earlier call failed ({type(error).__name__})"
            with suppress(sqlite3.Error):
                self._connection.rollback()
            if isinstance(error, sqlite3.Error):
                raise failed(error, self.where) from error
            raise

    def _read_state(self) -> None:
        """Take position, counters and ledger from the file."""
        position, self._forgotten, counts = state_of(self._connection, self.where)
        self._events = Events(position)
        self.counts: Counter[str] = Counter(counts)
        self._stored_counts = _json(counts)
        self.weights: dict[int, str] = dict(self._connection.execute("SELECT version, digest FROM weights"))

    def _damaged(self, what: str) -> FaultError:
        return FaultError(f"is damaged: {what}", where=self.where, hint=DAMAGED)


def _remove_new(paths: Iterable[Path]) -> None:
    """Take away what SQLite made beside a file that then could not be opened."""
    for path in paths:
        path.unlink(missing_ok=True)


def _origin(connection: sqlite3.Connection, asked: Origin | None, where: str) -> Origin:
    """What the file was begun as, after beginning it where it is empty."""
    if is_ours(connection, where):
        found = origin_of(connection, where)
        if asked is not None:
            found.check_same(asked, where)
        return found
    if asked is None:
        raise SteelyardError("is empty", where=where, hint="name the replay.sqlite of a run")
    create(connection, asked)
    return asked


def _nonzero(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: value for name, value in sorted(counts.items()) if value}


def _json(counts: Mapping[str, int]) -> str:
    return msgspec.json.encode(_nonzero(counts)).decode()
