"""Follows a run directory: reads what was appended since the last look, and nothing twice."""

from dataclasses import dataclass, replace
from pathlib import Path

from steelyard.core import SteelyardError
from steelyard.core.lock import is_held
from steelyard.core.moved import current_metrics
from steelyard.report.records import KINDS, Row, RunRecords, parse_row, read_config, read_object, read_run
from steelyard.runtime.run_dir.records import LOCK, RESULT

_TAIL = 200
"""Bytes before the place read to that must be the same at the next look; else the file was written anew."""


class FollowedRows:
    """The rows of a growing .jsonl file. A last line without its end is left for the next look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0
        self._tail = b""
        self.rows: list[Row] = []

    def look(self) -> bool:
        """Read what is new; True if the rows changed.

        A file that a resume cut and wrote on is read from its beginning again.

        Raises:
            SteelyardError: a line is not a JSON object.
        """
        if not self._path.exists():
            changed = bool(self.rows)
            self.__init__(self._path)
            return changed
        with self._path.open("rb") as file:
            file.seek(self._read - len(self._tail))
            found = file.read()
        if not found.startswith(self._tail):
            self.__init__(self._path)
            self.look()
            return True
        return self._take(found[len(self._tail) :])

    def _take(self, new: bytes) -> bool:
        whole = new[: new.rfind(b"\n") + 1]
        if not whole:
            return False
        parsed = [parse_row(line) for line in whole.splitlines()]
        if None in parsed:
            what = f"line {len(self.rows) + parsed.index(None) + 1} is not a JSON object"
            raise SteelyardError(what, where=str(self._path), hint="remove the line, or restore the file")
        self.rows += [row for row in parsed if row is not None]
        self._read += len(whole)
        self._tail = (self._tail + whole)[-_TAIL:]
        return True


@dataclass(frozen=True)
class Look:
    """What a run directory holds now."""

    records: RunRecords
    state: str
    """"running" while a process writes it, "finished" at its end, else "stopped"."""
    count: int
    """Number of changes seen so far."""


class FollowedRun:
    """A run that is going on, or has ended.

    Raises:
        SteelyardError: it is no run directory, or one of its files is not what a run writes.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._files = {kind: FollowedRows(directory / f"{kind}.jsonl") for kind in KINDS}
        self._last = Look(replace(read_run(directory), torn=()), "", 0)

    def look(self) -> Look:
        """The run as it is now.

        Raises:
            SteelyardError: one of its files is not what a run writes.
        """
        changed = [file.look() for file in self._files.values()]
        result = read_object(self.directory / RESULT)
        config = read_config(self.directory)
        data = read_object(self.directory / "data.json")
        running = is_held(self.directory / LOCK)
        state = "running" if running else "finished" if result is not None else "stopped"
        last = self._last
        if any(changed) or state != last.state or (config, data) != (last.records.config, last.records.data):
            rows = {"evals" if kind == "eval" else kind: file.rows for kind, file in self._files.items()}
            rows["metrics"] = [current_metrics(row) for row in rows["metrics"]]
            # The result of a run that goes on is empty: nothing is missing yet.
            result = {} if running and result is None else result
            records = replace(last.records, config=config, **rows, result=result, data=data)
            self._last = Look(records, state, last.count + 1)
        return self._last
