"""Several runs side by side, each in a process of its own."""

import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from steelyard.core import SteelyardError, decode, encode, require
from steelyard.core.json import JsonObject
from steelyard.experiments.harness.processes import ALONE, ask, keep, serve, side_by_side
from steelyard.runtime import Run
from steelyard.runtime.run_dir.disk import writing
from steelyard.runtime.run_dir.records import check_output
from steelyard.training.run_directory import read_result, read_stored_run
from steelyard.training.train import resume, train

_DEADLINE = 3600.0


def sweep(name: str, runs: Mapping[str, Run], *, jobs: int = 0, directory: str | None = None) -> dict[str, JsonObject]:
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

    def one(item: tuple[str, Run]) -> tuple[str, JsonObject]:
        label, run = item
        result = ended[label] if label in ended else _run(label, run)
        print(f"  {label:<28} {result['seconds']:6.1f} s", file=sys.stderr, flush=True)
        return label, result

    results = dict(side_by_side(one, [*placed.items()], jobs))
    keep(root / "results.json", results)
    return results


def _ended(run: Run) -> JsonObject | None:
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


def _run(label: str, run: Run) -> JsonObject:
    late = "begin the study again with the same --output-dir: the run goes on"
    settings = {"label": label, "settings": encode(run)}
    command = [sys.executable, "-m", __name__]
    return ask(label, command, settings, deadline=_DEADLINE, hints=(ALONE, late))


def work(label: str, settings: JsonObject) -> JsonObject:
    """Carry out one run in this process, or go on with it where it was begun; returns its summary."""
    run: Run = decode(settings, Run, trusted=True)
    begun = (Path(str(run.output_dir)) / "config.json").is_file()
    ended = resume(str(run.output_dir), report=False) if begun else train(run, name=label, report=False)
    return {**ended.summary}


if __name__ == "__main__":
    serve(work)
