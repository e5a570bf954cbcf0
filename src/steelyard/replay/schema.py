"""The tables. Every change is an event with a number; rows carry the numbers of their birth and their removal.

    rows      one narrow row per trajectory: all that the index needs      seq: birth; gone: removal, or NULL
    bodies    the trajectory itself, as `core.to_bytes` writes it          same seq
    prompts   names, each once                                             id: the seq of its first row
    weights   the ledger: version and digest of published weights          born: its event
    state     position: the last event's number; forgotten: rows removed up to it are deleted; synced: how often `sync`
              was called; counts: the replay's counters
    meta      how the replay was opened (`Origin`)

So "as it was at event p" is: rows with seq <= p, not gone by p. `trajectories` is the view for people.
"""

import sqlite3
from typing import Any

import msgspec

from steelyard.core import SteelyardError
from steelyard.replay.metadata import Origin
from steelyard.replay.sqlite_file import APPLICATION_ID, DAMAGED, FORMAT

_TABLES = """
CREATE TABLE meta(one INTEGER PRIMARY KEY CHECK (one = 1), origin TEXT NOT NULL);
CREATE TABLE state(one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER NOT NULL, forgotten INTEGER NOT NULL,
    synced INTEGER NOT NULL, counts TEXT NOT NULL);
CREATE TABLE prompts(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE rows(seq INTEGER PRIMARY KEY, prompt INTEGER NOT NULL, version INTEGER NOT NULL, arrived INTEGER NOT NULL,
    reward REAL, sample INTEGER NOT NULL, length INTEGER NOT NULL, key BLOB NOT NULL, gone INTEGER);
CREATE INDEX removed ON rows(gone) WHERE gone IS NOT NULL;
CREATE TABLE bodies(seq INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE weights(version INTEGER PRIMARY KEY, digest TEXT NOT NULL, born INTEGER NOT NULL);
CREATE VIEW trajectories AS SELECT name AS prompt, version, reward, arrived, length, sample, seq
    FROM rows JOIN prompts ON prompts.id = rows.prompt WHERE gone IS NULL;
"""


def create(connection: sqlite3.Connection, origin: Origin) -> None:
    """Make an empty replay in an empty file, wholly or not at all."""
    connection.executescript(
        f"BEGIN IMMEDIATE; PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={FORMAT}; {_TABLES}"
    )
    connection.execute("INSERT INTO meta VALUES (1, ?)", (origin.to_json(),))
    connection.execute("INSERT INTO state VALUES (1, 0, 0, 0, '{}')")
    connection.execute("COMMIT")


def origin_of(connection: sqlite3.Connection, where: str) -> Origin:
    """How the file was opened first."""
    return Origin.from_json(_only_row(connection, "SELECT origin FROM meta", where)[0], where)


def state_of(connection: sqlite3.Connection, where: str) -> tuple[int, int, dict[str, int]]:
    """Position, how far is forgotten, and the counters."""
    position, forgotten, counts = _only_row(connection, "SELECT position, forgotten, counts FROM state", where)
    try:
        return position, forgotten, msgspec.json.decode(counts, type=dict[str, int])
    except msgspec.DecodeError as error:
        raise SteelyardError(f"is damaged: its counters ({error})", where=where, hint=DAMAGED) from error


def _only_row(connection: sqlite3.Connection, query: str, where: str) -> tuple[Any, ...]:
    row = connection.execute(query).fetchone()
    if row is None:
        raise SteelyardError("is damaged: it does not say what it is", where=where, hint=DAMAGED)
    return row
