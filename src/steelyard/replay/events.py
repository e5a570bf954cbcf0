"""The changes of one call: arrivals, removals, draws, reports and publications, numbered as they happen and written
together."""

import sqlite3
from collections.abc import Iterable
from sys import intern
from typing import Literal

from steelyard.core import Trajectory
from steelyard.replay.entry import Entry, key_of
from steelyard.replay.schema import packed

Cause = Literal["evicted", "over-age", "duplicates", "used"]
"""Why a trajectory was removed: it was the first to go from a full buffer, its weights were too old, an equal or nearly
equal one took its place, or a queue has given it. But for "over-age", which counts as "evicted", it is the counter."""
_PROMPT = "INSERT OR IGNORE INTO prompts(id, name) VALUES (?, ?)"
_ROW = """INSERT INTO rows(seq, prompt, version, arrived, reward, sample, length, key)
    VALUES (?, (SELECT id FROM prompts WHERE name = ?), ?, ?, ?, ?, ?, ?)"""
_BODY = "INSERT INTO bodies(seq, data) VALUES (?, ?)"
_GONE = "UPDATE rows SET gone = ?, why = ? WHERE seq = ?"
_DRAW = "INSERT INTO draws(seq, rows) VALUES (?, ?)"
_REPORT = "INSERT INTO reports(seq, rate) VALUES (?, ?)"
_WEIGHTS = "INSERT INTO weights(version, digest, born) VALUES (?, ?, ?)"


class Events:
    """Events that are not in the file yet. `position` is the number of the last event, written or not."""

    def __init__(self, position: int) -> None:
        self.position = position
        self._statements = (_PROMPT, _ROW, _BODY, _GONE, _DRAW, _REPORT, _WEIGHTS)
        self._pending: dict[str, list[tuple[object, ...]]] = {statement: [] for statement in self._statements}

    def __bool__(self) -> bool:
        return any(self._pending.values())

    def put(self, trajectory: Trajectory, arrived: int, body: bytes) -> Entry:
        """Record that a trajectory arrived while the learner was at version `arrived`; `body` is its bytes."""
        t = trajectory
        seq = self._next()
        key = key_of(trajectory)
        reward = None if t.reward is None else float(t.reward)
        entry = Entry(int(t.version), seq, intern(t.prompt_id), int(arrived), reward, key)
        self._pending[_PROMPT].append((seq, t.prompt_id))
        self._pending[_ROW].append(
            (seq, t.prompt_id, entry.version, entry.arrived, reward, int(t.sample), len(t.tokens_T), key)
        )
        self._pending[_BODY].append((seq, body))
        return entry

    def remove(self, entry: Entry, why: Cause) -> None:
        """Record that an entry was removed, and why."""
        self._pending[_GONE].append((self._next(), why, entry.seq))

    def draw(self, entries: Iterable[Entry]) -> None:
        """Record that these entries were drawn together; one that is given twice was drawn twice."""
        self._pending[_DRAW].append((self._next(), packed([entry.seq for entry in entries])))

    def report(self, rate: float) -> None:
        """Record the rate at which the learner's last step found the effective sample size to fall (1 / version)."""
        self._pending[_REPORT].append((self._next(), rate))

    def publish(self, version: int, digest: str) -> None:
        """Record that weights were published."""
        self._pending[_WEIGHTS].append((version, digest, self._next()))

    def write_to(self, connection: sqlite3.Connection) -> None:
        """Write the pending events; the caller holds the transaction."""
        for statement in self._statements:
            connection.executemany(statement, self._pending[statement])
            self._pending[statement].clear()

    def _next(self) -> int:
        self.position += 1
        return self.position
