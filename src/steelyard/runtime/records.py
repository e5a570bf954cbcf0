"""What a run writes: rows of JSON, one file for each kind, flushed as they come."""

import json
import subprocess
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO

from steelyard.core import SteelyardError, encode
from steelyard.runtime.run import Run

Watch = Callable[[str, Mapping[str, Any]], None]
FILES = ("metrics", "timing", "eval", "samples")


class Records:
    """Appends rows to the run directory's files and shows them to a watcher, such as the progress view.

    Args:
        directory: the run directory; made if missing.
        watch: called with the file's name and each row.

    Raises:
        SteelyardError: the directory holds something already.
    """

    def __init__(self, directory: Path, watch: Watch | None = None) -> None:
        if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
            raise SteelyardError("is not empty", where=str(directory), mend="choose another --output-dir")
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SteelyardError(
                f"cannot be made: {error.strerror}", where=str(directory), mend="choose another --output-dir"
            ) from error
        self.directory, self._watch = directory, watch
        self._files: dict[str, TextIO] = {}

    def write(self, file: str, row: Mapping[str, Any]) -> None:
        """Append one row to `file`.jsonl."""
        if file not in self._files:
            self._files[file] = (self.directory / f"{file}.jsonl").open("w", encoding="utf-8")
        self._files[file].write(json.dumps(row) + "\n")
        self._files[file].flush()
        if self._watch is not None:
            self._watch(file, row)

    def write_json(self, name: str, data: Mapping[str, Any]) -> None:
        """Write one JSON file."""
        (self.directory / name).write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()
        self._files.clear()


def describe(run: Run, recipe: str) -> dict[str, Any]:
    """The contents of config.json: the settings as resolved, with recipe, seed, version and commit."""
    return {"recipe": recipe, "seed": run.seed, "version": version("steelyard"), "commit": _commit(), "run": encode(run)}


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
