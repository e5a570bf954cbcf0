"""The SQLite file: how it is opened, how a replay file is recognized, and what SQLite's errors mean.

Write-ahead logging with synchronous=NORMAL: a commit survives the death of any process immediately, and a power cut
after the next sync.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from steelyard.core import FaultError, SteelyardError, require

APPLICATION_ID = 0x5354594C
"""The mark "STYL" in the header of a replay file, which `file` and SQLite's tools show."""
FORMAT = 1
"""Version of the file format."""

_CACHE_KIB = 16_384

_HINTS = {
    sqlite3.SQLITE_FULL: "free some space, then go on with --resume",
    sqlite3.SQLITE_READONLY: "make the file and its directory writable",
    sqlite3.SQLITE_CANTOPEN: "check that the file and its directory can be read and written",
    sqlite3.SQLITE_BUSY: "close the other program that holds the file",
    sqlite3.SQLITE_LOCKED: "close the other program that holds the file",
    sqlite3.SQLITE_IOERR: "check the disk, then go on with --resume",
    sqlite3.SQLITE_NOTADB: "name a replay.sqlite of a run, or another path",
}
DAMAGED = "take a copy that is whole, or begin a new run"


def _cause_and_hint(error: sqlite3.Error) -> tuple[str, str]:
    """SQLite's message, and what to do about it."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    return str(error), _HINTS.get(code, DAMAGED)


def writing_failed(error: sqlite3.Error, where: str) -> FaultError:
    """The error for an open file that can no longer be written."""
    cause, hint = _cause_and_hint(error)
    return FaultError(f"cannot be written ({cause}); what was stored before is safe", where=where, hint=hint)


def reading_failed(error: sqlite3.Error, where: str) -> FaultError:
    """The error for an open file that can no longer be read."""
    cause, hint = _cause_and_hint(error)
    return FaultError(f"cannot be read ({cause})", where=where, hint=hint)


@contextmanager
def opening(where: str) -> Iterator[None]:
    """Convert every failure while a file is being opened to a wrong input; it is no fault of a run.

    Raises:
        SteelyardError: the file cannot be read, or is damaged.
    """
    try:
        yield
    except sqlite3.Error as error:
        cause, hint = _cause_and_hint(error)
        raise SteelyardError(f"cannot be opened ({cause})", where=where, hint=hint) from error
    except FaultError as error:
        raise SteelyardError(error.what, where=error.where, hint=error.hint) from error


def connect(path: Path | None, mode: str) -> sqlite3.Connection:
    """Open a file in one of SQLite's URI modes (`mode=rwc`, `mode=ro`, `immutable=1`); None opens a store in memory."""
    name = ":memory:" if path is None else f"{path.absolute().as_uri()}?{mode}"
    return sqlite3.connect(name, uri=path is not None, isolation_level=None)


def connect_writer(path: Path | None) -> sqlite3.Connection:
    """Open the writer's connection, with a write-ahead log.

    Raises:
        SteelyardError: the file system has no write-ahead log.
    """
    connection = connect(path, "mode=rwc")
    journal = connection.execute("PRAGMA journal_mode=WAL").fetchone()
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
    connection.execute("PRAGMA secure_delete=OFF")
    require(
        path is None or journal == ("wal",),
        "its file system has no write-ahead log",
        where=str(path),
        hint="keep the run on a local disk",
    )
    return connection


def check_path(path: Path) -> None:
    """Refuse a path that is neither a replay file nor new, without changing a byte.

    An empty file is new: the process that created it died before it wrote.

    Raises:
        SteelyardError: a directory, another kind of file, a newer format, or a damaged file.
    """
    require(not path.is_dir(), "is a directory", where=str(path), hint="name a file")
    require(path.parent.is_dir(), "its directory is missing", where=str(path), hint="make the directory first")
    if not path.exists() or not path.stat().st_size:
        return
    with opening(str(path)), closing(connect(path, reading_mode(path))) as connection:
        is_ours(connection, str(path))
        _check_length(connection, path)


def beside(path: Path) -> list[Path]:
    """The files that SQLite keeps beside a database while it is open for writing."""
    return [log_of(path), path.with_name(f"{path.name}-shm")]


def lock_of(path: Path) -> Path:
    """The lock file beside a database."""
    return path.with_name(f"{path.name}.lock")


def log_of(path: Path) -> Path:
    """The write-ahead log beside a database."""
    return path.with_name(f"{path.name}-wal")


def reading_mode(path: Path) -> str:
    """The mode for reading a file that nobody writes: immutable if there is no log, so that SQLite creates no files."""
    log = log_of(path)
    return "mode=ro" if log.exists() and log.stat().st_size else "immutable=1"


def _check_length(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a truncated file: SQLite would read missing pages as zeros. With a log, they may still be in the log."""
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    require(
        reading_mode(path) == "mode=ro" or path.stat().st_size >= size * pages,
        f"is truncated: {path.stat().st_size} bytes of {size * pages}",
        where=str(path),
        hint=DAMAGED,
    )


def is_ours(connection: sqlite3.Connection, where: str) -> bool:
    """True for a replay file, False for an empty one.

    Raises:
        SteelyardError: another program's file, or a newer format.
        sqlite3.Error: it cannot be read.
    """
    (mark,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if not mark and not tables:
        return False
    require(mark == APPLICATION_ID, "is not a replay file", where=where, hint=_HINTS[sqlite3.SQLITE_NOTADB])
    require(
        version == FORMAT,
        f"has format {version}, and this steelyard reads {FORMAT}",
        where=where,
        hint="use the version of steelyard that wrote it",
    )
    return True
