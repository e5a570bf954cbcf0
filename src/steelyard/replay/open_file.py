"""An open replay file: its connection and its lock, and the rule that nothing uses it after a failure.

After a failed call the index in memory may be ahead of the file, so every further use is refused.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

from steelyard.core import FaultError, require
from steelyard.core.lock import Lock
from steelyard.replay.sqlite_file import (
    DAMAGED,
    beside,
    check_path,
    connect_writer,
    lock_of,
    opening,
    reading_failed,
    writing_failed,
)


class OpenFile:
    """The one writer's connection to a file; without a path, to a store in memory."""

    def __init__(self, connection: sqlite3.Connection, path: Path | None, lock: Lock | None) -> None:
        self.connection = connection
        self.path = path
        self.where = "replay" if path is None else str(path)
        self._lock = lock
        self._unusable = ""

    @classmethod
    @contextmanager
    def opened(cls, path: Path | None) -> Iterator["OpenFile"]:
        """Lock and open a file. It stays open after the block; if the block fails, no trace of the attempt is left.

        Raises:
            SteelyardError: it is open elsewhere, not a replay's, or damaged.
        """
        with ExitStack() as undo, opening(str(path)):
            lock = None
            if path is not None:
                check_path(path)
                lock = Lock(lock_of(path), path)
                undo.callback(lock.release)
                undo.callback(_delete, [p for p in beside(path) if not p.exists()])
            connection = connect_writer(path)
            undo.callback(connection.close)
            yield cls(connection, path, lock)
            undo.pop_all()

    def reading(self) -> AbstractContextManager[None]:
        """A block that reads: an SQLite error in it is a fault that names the file, and ends its use."""
        return self._use(reading_failed)

    def writing(self) -> AbstractContextManager[None]:
        """A block that writes: as `reading`, and an open transaction is rolled back."""
        return self._use(writing_failed)

    @contextmanager
    def _use(self, failed: Callable[[sqlite3.Error, str], FaultError]) -> Iterator[None]:
        self.check_usable()
        try:
            yield
        except BaseException as error:  # an interrupt too: what is in memory may be ahead of the file
            self._unusable = f"an earlier call failed ({type(error).__name__})"
            with suppress(sqlite3.Error):
                self.connection.rollback()
            if isinstance(error, sqlite3.Error):
                raise failed(error, self.where) from error
            raise

    def check_usable(self) -> None:
        """Refuse the use of a closed or failed file.

        Raises:
            SteelyardError: an earlier call failed, or the file is closed.
        """
        require(not self._unusable, f"cannot be used: {self._unusable}", where=self.where, hint="open it again")

    def damaged(self, what: str) -> FaultError:
        """The error for contents that contradict one another."""
        return FaultError(f"is damaged: {what}", where=self.where, hint=DAMAGED)

    def close(self) -> None:
        """Close the file and release its lock. Closing twice does nothing."""
        self._unusable = self._unusable or "it is closed"
        self.connection.close()
        if self._lock is not None:
            self._lock.release()

    @contextmanager
    def closed_on_error(self) -> Iterator[None]:
        """Close the file if the block fails."""
        with ExitStack() as undo:
            undo.callback(self.close)
            yield
            undo.pop_all()


def _delete(paths: Iterable[Path]) -> None:
    """Remove the files that SQLite made beside a database that then could not be opened."""
    for path in paths:
        path.unlink(missing_ok=True)
