"""A read-only view of a replay file for people: counts, ranges, the best and the worst trajectories.

A filter is an SQL expression over the columns prompt, version, reward, arrived, length (tokens) and sample, such as
"reward > 0.5 and version >= 10" or "prompt like 'add-%'". It applies to what is stored now; removed trajectories are
only counted. A view is a snapshot: it stays the same while a run writes the file.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from steelyard.core import SteelyardError, Trajectory, first_line, from_bytes, require
from steelyard.core.lock import is_held
from steelyard.replay.metadata import ReplayMetadata
from steelyard.replay.schema import has_causes, has_draws, read_counters, read_metadata
from steelyard.replay.sqlite_file import DAMAGED, check_path, connect, is_ours, lock_of, opening, reading_mode

COLUMNS = ("prompt", "version", "reward", "arrived", "length", "sample")
"""Columns that a filter may name."""

_BARS = 10
_ENDS = """, fullest AS (SELECT prompt, count(*) AS n FROM chosen GROUP BY prompt ORDER BY n DESC, prompt LIMIT ?),
    ranked AS (SELECT seq, prompt, row_number() OVER (PARTITION BY prompt ORDER BY reward DESC, seq) AS best,
        row_number() OVER (PARTITION BY prompt ORDER BY reward, seq DESC) AS worst
        FROM chosen JOIN fullest USING (prompt) WHERE reward IS NOT NULL)
    SELECT seq, prompt, best, data FROM ranked JOIN bodies USING (seq) WHERE best <= ? OR worst <= ?
    ORDER BY prompt, best"""
_CHECKS = {
    "pages": "SELECT group_concat(integrity_check) FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
    "trajectories are missing": "SELECT count(*) FROM rows LEFT JOIN bodies USING (seq) WHERE data IS NULL",
    "prompts are missing": "SELECT count(*) FROM rows WHERE prompt NOT IN (SELECT id FROM prompts)",
}
"""Name of a fault -> a query that finds nothing, or 0, in an intact file."""


@dataclass(frozen=True)
class Bar:
    """A histogram bar: `count` trajectories have a value from `low` to `high`. With few distinct values, the two are
    equal."""

    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Spread:
    """The distribution of one column's values; missing values are left out."""

    low: float
    high: float
    mean: float
    histogram: list[Bar]


@dataclass(frozen=True)
class Summary:
    """What a file holds. The filter applies to `live`, `prompts`, `reward`, `version` and `length` alone."""

    metadata: ReplayMetadata
    live: int
    prompts: int
    reward: Spread | None
    version: Spread | None
    length: Spread | None
    removed: int
    """Trajectories that were evicted, replaced or used, but are kept for a checkpoint."""
    counts: dict[str, int]
    """The replay's counters."""
    position: int
    """Number of events so far."""
    published: int
    """Number of versions in the ledger of weights."""
    newest_version: int | None
    num_bytes: int


@dataclass(frozen=True)
class PromptSummary:
    """One prompt: its number of trajectories, their rewards, and some trajectories in full.

    `top` has the highest rewards, best first. `worst` has the lowest of the others, worst first.
    """

    prompt: str
    count: int
    mean: float | None
    low: float | None
    high: float | None
    top: list[Trajectory]
    worst: list[Trajectory]


class View:
    """A snapshot of a replay file. Use it in a `with` block, or close it."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._connection.execute("BEGIN")
        self.metadata = read_metadata(connection, str(path))
        self.keeps_draws = has_draws(connection)
        """Whether the file says what was drawn; those of earlier versions do not."""
        self.keeps_causes = has_causes(connection)
        """Whether the file says why a row was removed; those of earlier versions do not."""

    def __enter__(self) -> "View":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the file."""
        self._connection.close()

    def summary(self, where: str | None = None) -> Summary:
        """Counts and ranges.

        Raises:
            SteelyardError: a wrong filter, or a damaged file.
        """
        ((live, prompts),) = self._ask("SELECT count(*), count(DISTINCT prompt) FROM chosen", where)
        ((removed,),) = self._ask("SELECT count(*) FROM rows WHERE gone IS NOT NULL")
        position, _, counts = read_counters(self._connection, str(self._path))
        ((published, newest),) = self._ask("SELECT count(*), max(version) FROM weights")
        return Summary(
            self.metadata,
            live,
            prompts,
            self._spread("reward", where),
            self._spread("version", where),
            self._spread("length", where),
            removed=removed,
            counts=counts,
            position=position,
            published=published,
            newest_version=newest,
            num_bytes=self._path.stat().st_size,
        )

    def prompts(self, where: str | None = None, *, limit: int = 10, each: int = 3) -> list[PromptSummary]:
        """The prompts with the most trajectories, each with its best and its worst trajectories.

        Args:
            where: a filter.
            limit: most prompts.
            each: most trajectories in `top`, and in `worst`.

        Raises:
            SteelyardError: a wrong filter, or a damaged file.
        """
        fullest = "SELECT prompt, count(*) AS n, avg(reward), min(reward), max(reward) FROM chosen GROUP BY prompt"
        found = self._ask(f"{fullest} ORDER BY n DESC, prompt LIMIT ?", where, limit)
        ends = self._ends(where, limit, each)
        return [
            PromptSummary(prompt, count, mean, low, high, *ends.get(prompt, ([], [])))
            for prompt, count, mean, low, high in found
        ]

    def trajectories(self, where: str | None = None) -> Iterator[tuple[int, Trajectory]]:
        """Yield (learner version at arrival, trajectory) in order of arrival.

        Raises:
            SteelyardError: a wrong filter, or a damaged file.
        """
        for seq, arrived, body in self._iterate("SELECT seq, arrived, data FROM chosen JOIN bodies USING (seq)", where):
            yield arrived, self.decode(seq, body)

    def removed(self) -> Iterator[tuple[int, Trajectory]]:
        """As `trajectories`, for those that were removed (evicted, replaced or used) and are still in the file.

        A run deletes what was removed before its oldest checkpoint.

        Raises:
            SteelyardError: a damaged file.
        """
        gone = "SELECT seq, arrived, data FROM rows JOIN bodies USING (seq) WHERE gone IS NOT NULL ORDER BY seq"
        for seq, arrived, body in self._iterate(gone):
            yield arrived, self.decode(seq, body)

    def verify(self) -> None:
        """Read every page and every trajectory.

        Raises:
            SteelyardError: the file is damaged; the message names the damage.
        """
        for what, query in _CHECKS.items():
            ((wrong,),) = self._ask(query)
            if wrong:
                raise self._damaged(f"{what} ({wrong})")
        for _ in self.trajectories():
            pass

    def _spread(self, name: str, where: str | None) -> Spread | None:
        ((low, high, mean, different),) = self._ask(
            f"SELECT min({name}), max({name}), avg({name}), count(DISTINCT {name}) FROM chosen", where
        )
        if low is None:
            return None
        bars = self._values(name, where) if different <= _BARS else self._bars(name, where, low, (high - low) / _BARS)
        return Spread(float(low), float(high), mean, bars)

    def _values(self, name: str, where: str | None) -> list[Bar]:
        """One bar for each distinct value."""
        rows = self._ask(f"SELECT {name}, count(*) FROM chosen WHERE {name} IS NOT NULL GROUP BY 1 ORDER BY 1", where)
        return [Bar(float(value), float(value), count) for value, count in rows]

    def _bars(self, name: str, where: str | None, low: float, width: float) -> list[Bar]:
        """Bars of equal width; the last one includes the highest value."""
        place = f"min(CAST(({name} - ?) / ? AS INTEGER), {_BARS - 1})"
        select = f"SELECT {place}, count(*) FROM chosen WHERE {name} IS NOT NULL GROUP BY 1"
        counts = dict(self._ask(select, where, low, width))
        return [Bar(low + i * width, low + (i + 1) * width, counts.get(i, 0)) for i in range(_BARS)]

    def _ends(self, where: str | None, limit: int, each: int) -> dict[str, tuple[list[Trajectory], list[Trajectory]]]:
        """Prompt -> its best and its worst trajectories; no trajectory is in both."""
        ends: dict[str, tuple[list[Trajectory], list[Trajectory]]] = {}
        for seq, prompt, best, body in self._ask(_ENDS, where, limit, each, each):
            top_and_worst = ends.setdefault(prompt, ([], []))
            top_and_worst[best > each].append(self.decode(seq, body))
        for _, worst in ends.values():
            worst.reverse()
        return ends

    def ask(self, query: str, *values: object) -> list[Any]:
        """Rows of a query over the file's tables, which `schema` describes.

        Raises:
            SteelyardError: the file is damaged.
        """
        return self._ask(query, None, *values)

    def counters(self) -> dict[str, int]:
        """The replay's counters.

        Raises:
            SteelyardError: the file is damaged.
        """
        return read_counters(self._connection, str(self._path))[2]

    def decode(self, seq: int, body: bytes) -> Trajectory:
        """The trajectory in the column data of bodies.

        Raises:
            SteelyardError: the file is damaged.
        """
        try:
            return from_bytes(body)
        except (msgspec.DecodeError, ValueError) as error:
            raise self._damaged(f"trajectory {seq} cannot be read ({error})") from error

    def _damaged(self, what: str) -> SteelyardError:
        return SteelyardError(f"is damaged: {what}", where=str(self._path), hint=DAMAGED)

    def _ask(self, select: str, where: str | None = None, *values: object) -> list[Any]:
        return list(self._iterate(select, where, *values))

    def _iterate(self, select: str, where: str | None = None, *values: object) -> Iterator[Any]:
        """Rows of a query over `chosen`, the trajectories that pass the filter."""
        # The line breaks: a filter may end in an SQL comment.
        chosen = f"WITH chosen AS (SELECT * FROM trajectories WHERE (\n{where or 'true'}\n))"
        try:
            yield from self._connection.execute(f"{chosen} {select}", values)
        except (sqlite3.Error, sqlite3.Warning) as error:
            if where is not None and getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) == sqlite3.SQLITE_ERROR:
                raise _wrong_filter(where, error) from error
            raise self._damaged(str(error)) from error


def _wrong_filter(where: str, error: Exception) -> SteelyardError:
    return SteelyardError(
        f"{where!r} is no filter ({first_line(error)})",
        where="--where",
        hint=f"compare {', '.join(COLUMNS[:-1])} or {COLUMNS[-1]}, such as 'reward > 0.5 and version >= 10'",
    )


def open_view(path: Path) -> View:
    """Open a replay file for reading, also while a run writes it. Nothing in the file changes.

    Raises:
        SteelyardError: the file is missing, not a replay's, or damaged.
    """
    require(path.exists(), "is missing", where=str(path), hint="name the replay.sqlite of a run")
    check_path(path)
    with opening(str(path)), ExitStack() as undo:
        connection = _connect(path)
        undo.callback(connection.close)
        require(is_ours(connection, str(path)), "is empty", where=str(path), hint="name the replay.sqlite of a run")
        view = View(connection, path)
        undo.pop_all()
    return view


def _connect(path: Path) -> sqlite3.Connection:
    """Follow the write-ahead log if a run writes the file; otherwise open it so that no file is created beside it."""
    return connect(path, "mode=ro" if is_held(lock_of(path)) else reading_mode(path))
