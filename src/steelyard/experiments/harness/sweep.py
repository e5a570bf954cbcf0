"""Several runs side by side, as many at a time as there are cores, each in a process of its own."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from steelyard.core import FaultError, SteelyardError, decode, encode, require
from steelyard.runtime import Run, to_json
from steelyard.runtime.run_dir.disk import put, writing
from steelyard.runtime.run_dir.records import check_output
from steelyard.training.run_directory import read_result, read_stored_run
from steelyard.training.train import resume, train

_DEADLINE = 3600.0


def sweep(
    name: str, runs: Mapping[str, Run], *, jobs: int = 0, directory: str | None = None
) -> dict[str, dict[str, Any]]:
    """Carry out `runs`; returns the summary of each by its label.

    Args:
        name: of the study; runs go to runs/study-NAME-TIME/LABEL.
        runs: label -> settings.
        jobs: runs at a time; 0 for one per core.
        directory: where runs go instead. Runs that ended there before, with the same settings, are taken as they are;
            those that were cut short go on.

    Raises:
        SteelyardError: something else lies where a run goes, and none was begun; or a run failed, and the message is
            its last line.
    """
    require(jobs >= 0, f"is {jobs}", where="--jobs", hint="use 1 or more, or 0 for one per core")
    root = Path(directory or f"runs/study-{name}-{time.strftime('%Y%m%d-%H%M%S')}")
    placed = {label: replace(run, output_dir=str(root / label)) for label, run in runs.items()}

    ended = {label: result for label, run in placed.items() if (result := _ended(run)) is not None}
    with writing(root, SteelyardError):
        root.mkdir(parents=True, exist_ok=True)

    def one(item: tuple[str, Run]) -> tuple[str, dict[str, Any]]:
        label, run = item
        result = ended[label] if label in ended else _run(label, run)
        print(f"  {label:<28} {result['seconds']:6.1f} s", file=sys.stderr, flush=True)
        return label, result

    with ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        results = dict(pool.map(one, placed.items()))
    with writing(root / "results.json", SteelyardError):
        put(root / "results.json", to_json(results, indent=1).encode() + b"\n")
    return results


def _ended(run: Run) -> dict[str, Any] | None:
    """The summary of an earlier run in the same place with the same settings, if there is one and it has ended.

    Raises:
        SteelyardError: something else is there, or the run is damaged.
    """
    place = Path(str(run.output_dir))
    if not (place / "config.json").is_file():
        check_output(place)
        return None
    same = encode(read_stored_run(place).run) == encode(run)  # encoded, a nan is equal to itself
    require(same, "holds a run with other settings", where=str(place), hint="choose another --output-dir")
    return read_result(place)


def _run(label: str, run: Run) -> dict[str, Any]:
    try:
        done = subprocess.run(
            [sys.executable, "-m", "steelyard.experiments.harness.sweep", label],
            input=to_json(encode(run)),
            capture_output=True,
            text=True,
            timeout=_DEADLINE,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    except subprocess.TimeoutExpired as error:
        hint = "begin the study again with the same --output-dir: the run goes on"
        raise FaultError(f"has not ended within {_DEADLINE:.0f} s", where=label, hint=hint) from error
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise SteelyardError(last[0], where=label, hint="run it alone to see more")
    return json.loads(done.stdout.splitlines()[-1])


def median(values: Sequence[float]) -> str:
    """`median [lowest, highest]` of a few numbers, with three decimals."""
    return f"{statistics.median(values):.3f} [{min(values):.3f}, {max(values):.3f}]"


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on standard output."""
    table = Table(title=escape(title), title_justify="left")
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    settings: Run = decode(json.load(sys.stdin), Run, trusted=True)
    try:
        begun = (Path(str(settings.output_dir)) / "config.json").is_file()
        ended = (
            resume(str(settings.output_dir), report=False) if begun else train(settings, name=sys.argv[1], report=False)
        )
        print(to_json(ended.summary))
    except SteelyardError as error:
        sys.exit(str(error))
