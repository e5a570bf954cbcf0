"""What a run writes: rows of JSON, one file for each kind, handed to the system as they come.

A row that was written outlives a kill of the process at any moment, and is never half there.
"""

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from steelyard.core import Dataclass, FaultError, SteelyardError, Trajectory, encode, require
from steelyard.core.copies import own
from steelyard.core.lock import Lock
from steelyard.runtime.run import Run
from steelyard.runtime.run_dir.disk import append, put, sync, writing
from steelyard.runtime.run_dir.machine import machine
from steelyard.runtime.run_dir.truncate import check, cut

LOCK = ".lock"
RESULT = "result.json"
"""What the run came to; there once it has reached its end."""
ENDS = "ended_before"
"""Key of config.json: the numbers of steps at which a run had ended before it was extended."""
Watch = Callable[[str, Mapping[str, object]], None]
QUARANTINE = 1000
"""Most rows of quarantine.jsonl: enough to see what is wrong with a verifier that always fails."""
_HINT = "choose another --output-dir"


class Records:
    """Appends rows to the run directory's files and shows them to a watcher, such as the progress view.

    A fresh run's directory is made with the first row, or by `begin`: a run that fails before leaves nothing. While the
    records are open, no other process can write the same run.

    Args:
        directory: the run directory.
        watch: called with the file's name and each row.
        config: the contents of config.json.
        resume: what `sizes` returned when the checkpoint was made. The directory is there then; with the first row, or
            `begin`, files are cut to these sizes and .jsonl files that are not named are removed; new rows are
            appended. The result of an earlier end is removed, and config.json stays.
        damaged: what the resume found wrong; each becomes a row of faults.jsonl.
        extended: the new contents of config.json, where a resumed run gets more steps.

    Raises:
        SteelyardError: the directory holds something already, or cannot be made; on resuming, rows are lost that the
            checkpoint counts on; or another process writes it.
    """

    def __init__(
        self,
        directory: Path,
        watch: Watch | None = None,
        config: Mapping[str, object] | None = None,
        resume: Mapping[str, int] | None = None,
        damaged: Sequence[str] = (),
        extended: Mapping[str, object] | None = None,
    ) -> None:
        self.directory = directory
        self._watch = watch
        self._config = config
        self._files: dict[str, int] = {}
        self._lock: Lock | None = None
        self._quarantined = 0
        self._resume = resume
        self._damaged = damaged
        self._extended = extended
        self._begun = False
        if resume is None:
            check_output(directory)
        else:
            self._reopen(resume)

    def __enter__(self) -> "Records":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def begin(self) -> None:
        """Make and lock the directory, and write config.json; or cut the rows of a resumed run; unless this is done.

        Raises:
            SteelyardError: the disk does not allow it, or another run came first; nothing is left of it.
        """
        if self._begun:
            return
        if self._resume is None:
            self._make()
        else:
            self._cut(self._resume)
        self._begun = True
        for line in self._damaged:
            self.fault("resume", line)

    def write(self, file: str, row: Mapping[str, object]) -> None:
        """Append one row to `file`.jsonl.

        Raises:
            FaultError: the disk does not take it; the file then ends with the row before.
        """
        self._append(file, row)
        if self._watch is not None:
            self._watch(file, own(dict(row)))

    def show(self, what: str, row: Mapping[str, object]) -> None:
        """Show the watcher something that passes and is not kept, such as what a searcher waits for."""
        if self._watch is not None:
            self._watch(what, own(dict(row)))

    def fault(
        self,
        who: str,
        why: str,
        *,
        step: int | None = None,
        seconds: float | None = None,
        again_in: float | None = None,
    ) -> None:
        """One row of faults.jsonl: what was lost or found damaged, when, and the seconds until it is started again."""
        self.write("faults", {"step": step, "seconds": seconds, "who": who, "why": why, "again_in": again_in})

    def quarantine(self, trajectories: Sequence[Trajectory]) -> None:
        """Keep those that the verifier failed on in quarantine.jsonl: which, why and what; at most 1000 in a run."""
        failed = [t for t in trajectories if t.reward is None]
        if failed:
            self.begin()
        for t in failed:
            if self._quarantined < QUARANTINE:
                self._quarantined += 1
                row = {"prompt_id": t.prompt_id, "sample": t.sample, "version": t.version}
                self._append("quarantine", row | {name: t.info.get(name) for name in ("error", "completion", "read")})

    def write_json(self, name: str, data: Mapping[str, object]) -> None:
        """Write one JSON file, whole or not at all.

        Raises:
            FaultError: the disk does not take it.
        """
        self.begin()
        self._put(name, data, FaultError)

    def data(self, facts: Mapping[str, object]) -> None:
        """Write data.json: the prompts in numbers, and what of the data was merged or left out, which is shown too.

        Raises:
            FaultError: the disk does not take it.
        """
        self.write_json("data.json", facts)
        if self._watch is not None and facts["notes"]:
            self._watch("data", facts)

    def sizes(self) -> dict[str, int]:
        """The size of each .jsonl file in bytes; that much of it is on disk when this returns.

        Raises:
            FaultError: the disk does not take it.
        """
        with writing(self.directory):
            paths = sorted(self.directory.glob("*.jsonl"))
            for path in paths:
                sync(path)
            return {path.name: path.stat().st_size for path in paths}

    def close(self) -> None:
        """Close the files and let others write the run."""
        for descriptor in self._files.values():
            os.close(descriptor)
        self._files.clear()
        if self._lock is not None:
            self._lock.release()

    def _append(self, file: str, row: Mapping[str, object]) -> None:
        self.begin()
        path = self.directory / f"{file}.jsonl"
        with writing(path):
            if file not in self._files:
                self._files[file] = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            append(self._files[file], to_json(row).encode() + b"\n")

    def _put(self, name: str, data: Mapping[str, object], kind: type[SteelyardError]) -> None:
        with writing(self.directory / name, kind):
            put(self.directory / name, to_json(data, indent=1).encode() + b"\n")

    def _make(self) -> None:
        made = not self.directory.exists()
        with writing(self.directory, SteelyardError):
            self.directory.mkdir(parents=True, exist_ok=True)
        self._lock = Lock(self.directory / LOCK, self.directory)
        try:
            _refuse_contents(self.directory, LOCK)
            if self._config is not None:
                self._put("config.json", self._config, SteelyardError)
        except SteelyardError:
            self.close()
            _take_back(self.directory, made)
            raise

    def _reopen(self, sizes: Mapping[str, int]) -> None:
        """Take a run's directory and see that its rows are whole; nothing is changed yet."""
        require(self.directory.is_dir(), "is not a directory", where=str(self.directory), hint="name a run's directory")
        self._lock = Lock(self.directory / LOCK, self.directory)
        try:
            check(self.directory, sizes)
        except SteelyardError:
            self.close()
            raise

    def _cut(self, sizes: Mapping[str, int]) -> None:
        # In this order: a kill in between leaves a run that can go on.
        with writing(self.directory, SteelyardError):
            (self.directory / RESULT).unlink(missing_ok=True)
        if self._extended is not None:
            self._put("config.json", self._extended, SteelyardError)
        with writing(self.directory, SteelyardError):
            cut(self.directory, sizes)
            kept = self.directory / "quarantine.jsonl"
            self._quarantined = kept.read_bytes().count(b"\n") if kept.exists() else 0


def _take_back(directory: Path, made: bool) -> None:
    """Remove what `begin` made, where it failed."""
    with writing(directory, SteelyardError):
        (directory / LOCK).unlink()
        if made:
            directory.rmdir()


def check_output(directory: Path) -> None:
    """Refuse a directory that holds something already, or that cannot be made; nothing is written.

    Raises:
        SteelyardError: it is such a directory.
    """
    with writing(directory, SteelyardError):
        require(not directory.exists() or directory.is_dir(), "is a file", where=str(directory), hint=_HINT)
        if directory.exists():
            _refuse_contents(directory)
        above = next(p for p in (directory, *directory.absolute().parents) if p.exists())
        able = above.is_dir() and os.access(above, os.W_OK | os.X_OK)
        require(able, f"cannot be made in {above}", where=str(directory), hint=_HINT)


def _refuse_contents(directory: Path, *but: str) -> None:
    held = {path.name for path in directory.iterdir()} - {*but}
    require(not held, "is not empty", where=str(directory), hint=_HINT)


def to_json(data: object, *, indent: int | None = None) -> str:
    """Strict JSON, as every parser reads it: a measurement that is not finite is null.

    Settings do not lose their infinities that way; `steelyard.core.encode` has written them as texts.
    """
    return json.dumps(_finite(data), indent=indent, allow_nan=False)


def _finite(data: object) -> object:
    if isinstance(data, Mapping):
        return {name: _finite(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


@runtime_checkable
class Seeded(Dataclass, Protocol):
    """Settings of whatever is run: a `Run`, a job, or a pipeline of them."""

    @property
    def seed(self) -> int:
        """Seed of every random draw."""
        ...


def describe(run: Seeded, recipe: str, command: Sequence[str] | None = None) -> dict[str, object]:
    """The contents of config.json: the settings as resolved; recipe, command, seed, version, commit and machine.

    The settings of a job name their class; those of a `Run` need not.
    """
    kind = type(run)
    named = {} if isinstance(run, Run) else {"class": f"{kind.__module__}:{kind.__qualname__}"}
    return {
        "recipe": recipe,
        "command": None if command is None else list(command),
        "seed": run.seed,
        "version": sys.modules[__name__.partition(".")[0]].__version__,
        "commit": commit(),
        "machine": machine(),
        "run": {**named, **encode(run)},
    }


def commit() -> str | None:
    """The commit of the source tree, or None where the package is installed without one."""
    here = Path(__file__).parent
    try:
        done = subprocess.run(
            ["git", "-C", str(here), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=False
        )
    except FileNotFoundError:
        return None
    return done.stdout.strip() or None
