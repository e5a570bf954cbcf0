"""What one call changes: puts, removals and publications, numbered as they happen and written together."""

import sqlite3
from sys import intern

from steelyard.core import Trajectory
from steelyard.replay.row import Row, key_of

_PROMPT = "INSERT OR IGNORE INTO prompts(id, name) VALUES (?, ?)"
_ROW = """INSERT INTO rows(seq, prompt, version, arrived, reward, sample, length, key)
    VALUES (?, (SELECT id FROM prompts WHERE name = ?), ?, ?, ?, ?, ?, ?)"""
_BODY = "INSERT INTO bodies(seq, data) VALUES (?, ?)"
_GONE = "UPDATE rows SET gone = ? WHERE seq = ?"
_WEIGHTS = "INSERT INTO weights(version, digest, born) VALUES (?, ?, ?)"


class Events:
    """Events that are not yet in the file. `position` is the number of the last one, written or not."""

    def __init__(self, position: int) -> None:
        self.position = position
        self._statements = (_PROMPT, _ROW, _BODY, _GONE, _WEIGHTS)
        self._pending: dict[str, list[tuple[object, ...]]] = {statement: [] for statement in self._statements}

    def __bool__(self) -> bool:
        return any(self._pending.values())

    def put(self, trajectory: Trajectory, arrived: int, body: bytes) -> Row:
        """A trajectory arrived while the learner was at version `arrived`; `body` is its bytes."""
        t = trajectory
        seq = self._next()
        key = key_of(trajectory)
        reward = None if t.reward is None else float(t.reward)
        row = Row(int(t.version), seq, intern(t.prompt_id), int(arrived), reward, key)
        self._pending[_PROMPT].append((seq, t.prompt_id))
        self._pending[_ROW].append(
            (seq, t.prompt_id, row.version, row.arrived, reward, int(t.sample), len(t.tokens_T), key)
        )
        self._pending[_BODY].append((seq, body))
        return row

    def remove(self, row: Row) -> None:
        """A row was evicted, replaced by its duplicate, or handed out for good."""
        self._pending[_GONE].append((self._next(), row.seq))

    def publish(self, version: int, digest: str) -> None:
        """Weights were published."""
        self._pending[_WEIGHTS].append((version, digest, self._next()))

    def write_to(self, connection: sqlite3.Connection) -> None:
        """Write what is pending, inside the caller's transaction."""
        for statement in self._statements:
            connection.executemany(statement, self._pending[statement])
            self._pending[statement].clear()

    def _next(self) -> int:
        self.position += 1
        return self.position
