"""What a run writes: rows of JSON, one file for each kind, flushed as they come."""

import json
import math
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO

from steelyard.core import SteelyardError, encode
from steelyard.runtime.run import Run

Watch = Callable[[str, Mapping[str, Any]], None]


class Records:
    """Appends rows to the run directory's files and shows them to a watcher, such as the progress view.

    Directory and config.json are made with the first row: a run that fails before it begins leaves nothing.

    Args:
        directory: the run directory.
        watch: called with the file's name and each row.
        config: the contents of config.json.

    Raises:
        SteelyardError: the directory holds something already, or cannot be made.
    """

    def __init__(self, directory: Path, watch: Watch | None = None, config: Mapping[str, Any] | None = None) -> None:
        check_output(directory)
        self.directory, self._watch, self._config = directory, watch, config
        self._files: dict[str, TextIO] = {}

    def __enter__(self) -> "Records":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, file: str, row: Mapping[str, Any]) -> None:
        """Append one row to `file`.jsonl."""
        if not self._files:
            try:
                self.directory.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                what, mend = f"cannot be made ({error.strerror})", "choose another --output-dir"
                raise SteelyardError(what, where=str(self.directory), mend=mend) from error
            if self._config is not None:
                self.write_json("config.json", self._config)
        if file not in self._files:
            self._files[file] = (self.directory / f"{file}.jsonl").open("w", encoding="utf-8")
        self._files[file].write(to_json(row) + "\n")
        self._files[file].flush()
        if self._watch is not None:
            self._watch(file, row)

    def write_json(self, name: str, data: Mapping[str, Any]) -> None:
        """Write one JSON file."""
        (self.directory / name).write_text(to_json(data, indent=1) + "\n", encoding="utf-8")

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()
        self._files.clear()


def check_output(directory: Path) -> None:
    """Refuse a directory that holds something already, or that cannot be made; nothing is written.

    Raises:
        SteelyardError: it is such a directory.
    """
    mend = "choose another --output-dir"
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise SteelyardError("is not empty" if directory.is_dir() else "is a file", where=str(directory), mend=mend)
    above = next(p for p in (directory, *directory.absolute().parents) if p.exists())
    if not (above.is_dir() and os.access(above, os.W_OK | os.X_OK)):
        raise SteelyardError(f"cannot be made in {above}", where=str(directory), mend=mend)


def to_json(data: Any, *, indent: int | None = None) -> str:
    """Strict JSON, as every parser reads it: a measurement that is not finite is null.

    Settings do not lose their infinities that way; `steelyard.core.encode` has written them as texts.
    """
    return json.dumps(_finite(data), indent=indent, allow_nan=False)


def _finite(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {name: _finite(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


def describe(run: Run, recipe: str, command: Sequence[str] | None = None) -> dict[str, Any]:
    """The contents of config.json: the settings as resolved, with recipe, command, seed, version and commit."""
    return {
        "recipe": recipe,
        "command": None if command is None else list(command),
        "seed": run.seed,
        "version": version("steelyard"),
        "commit": _commit(),
        "run": encode(run),
    }


def _commit() -> str | None:
    """The commit of the source tree, or None where the package is installed without one."""
    here = Path(__file__).parent
    try:
        done = subprocess.run(
            ["git", "-C", str(here), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=False
        )
    except FileNotFoundError:
        return None
    return done.stdout.strip() or None
