"""The tables. Every change is a numbered event; a row holds the numbers of its arrival and its removal.

    rows      one narrow row per trajectory: what the index needs          seq: arrival; gone, why: removal, or NULL
    bodies    the trajectory itself, as `core.to_bytes` writes it          same seq
    prompts   each prompt's name, once                                     id: the seq of its first row
    draws     one row per draw: `packed` numbers of the rows drawn          seq: the event of the draw
    reports   one row per step that was reported: its `sample_size` rate        seq: the event of the report
    weights   the ledger: version and digest of published weights          born: the event of publication
    state     position: number of the last event; forgotten: rows removed up to this event are deleted; synced: calls
              of `sync`; counts: the replay's counters
    meta      how the replay was opened (`ReplayMetadata`, in the column origin)

A row that a draw gave twice is in its draw twice. Files of earlier versions get draws, reports and causes when they are
next written; the cause of an earlier removal is NULL.

The rows as of event p are those with seq <= p that were not removed by p. `trajectories` is the view for people.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from steelyard.core import SteelyardError
from steelyard.core.moved import current_counts
from steelyard.replay.metadata import ReplayMetadata
from steelyard.replay.sqlite_file import APPLICATION_ID, DAMAGED, FORMAT

_DRAWS = "CREATE TABLE IF NOT EXISTS draws(seq INTEGER PRIMARY KEY, rows BLOB NOT NULL)"
_REPORTS = "CREATE TABLE IF NOT EXISTS reports(seq INTEGER PRIMARY KEY, rate REAL NOT NULL)"
_TABLES = f"""
CREATE TABLE meta(one INTEGER PRIMARY KEY CHECK (one = 1), origin TEXT NOT NULL);
CREATE TABLE state(one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER NOT NULL, forgotten INTEGER NOT NULL,
    synced INTEGER NOT NULL, counts TEXT NOT NULL);
CREATE TABLE prompts(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE rows(seq INTEGER PRIMARY KEY, prompt INTEGER NOT NULL, version INTEGER NOT NULL, arrived INTEGER NOT NULL,
    reward REAL, sample INTEGER NOT NULL, length INTEGER NOT NULL, key BLOB NOT NULL, gone INTEGER,
    why TEXT);
CREATE INDEX removed ON rows(gone) WHERE gone IS NOT NULL;
CREATE TABLE bodies(seq INTEGER PRIMARY KEY, data BLOB NOT NULL);
{_DRAWS};
{_REPORTS};
CREATE TABLE weights(version INTEGER PRIMARY KEY, digest TEXT NOT NULL, born INTEGER NOT NULL);
CREATE VIEW trajectories AS SELECT name AS prompt, version, reward, arrived, length, sample, seq
    FROM rows JOIN prompts ON prompts.id = rows.prompt WHERE gone IS NULL;
"""


def create(connection: sqlite3.Connection, metadata: ReplayMetadata) -> None:
    """Create an empty replay in an empty file, in one transaction."""
    connection.executescript(
        f"BEGIN IMMEDIATE; PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={FORMAT}; {_TABLES}"
    )
    connection.execute("INSERT INTO meta VALUES (1, ?)", (metadata.to_json(),))
    connection.execute("INSERT INTO state VALUES (1, 0, 0, 0, '{}')")
    connection.execute("COMMIT")


def complete(connection: sqlite3.Connection) -> None:
    """Let a file of an earlier version keep draws, reports, and causes of removals, from now on."""
    for name, made in (("draws", _DRAWS), ("reports", _REPORTS)):
        if not _has(connection, name):
            connection.execute(made)
    if not has_causes(connection):
        connection.execute("ALTER TABLE rows ADD COLUMN why TEXT")


def has_draws(connection: sqlite3.Connection) -> bool:
    """Whether the file keeps what was drawn."""
    return _has(connection, "draws")


def _has(connection: sqlite3.Connection, table: str) -> bool:
    (number,) = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    return bool(number)


def has_causes(connection: sqlite3.Connection) -> bool:
    """Whether the file keeps why a row was removed."""
    return bool(connection.execute("SELECT count(*) FROM pragma_table_info('rows') WHERE name = 'why'").fetchone()[0])


def packed(seqs: Sequence[int]) -> bytes:
    """Numbers of rows as a draw's row holds them: four bytes each, the lowest first; events end at 2^32."""
    return np.asarray(seqs, dtype="<u4").tobytes()


def unpacked(rows: bytes) -> np.ndarray:
    """The numbers that `packed` was given."""
    return np.frombuffer(rows, dtype="<u4").astype(np.int64)


def read_metadata(connection: sqlite3.Connection, where: str) -> ReplayMetadata:
    """How the file was first opened.

    Raises:
        SteelyardError: the file is damaged.
    """
    return ReplayMetadata.from_json(_only_row(connection, "SELECT origin FROM meta", where)[0], where)


def read_counters(connection: sqlite3.Connection, where: str) -> tuple[int, int, dict[str, int]]:
    """The position, the event up to which removed rows are deleted, and the counters.

    Raises:
        SteelyardError: the file is damaged.
    """
    position, forgotten, counts = _only_row(connection, "SELECT position, forgotten, counts FROM state", where)
    try:
        return position, forgotten, current_counts(msgspec.json.decode(counts, type=dict[str, int]))
    except msgspec.DecodeError as error:
        raise SteelyardError(f"is damaged: its counters ({error})", where=where, hint=DAMAGED) from error


def _only_row(connection: sqlite3.Connection, query: str, where: str) -> tuple[Any, ...]:
    row = connection.execute(query).fetchone()
    if row is None:
        raise SteelyardError("is damaged: it does not say what it is", where=where, hint=DAMAGED)
    return row
