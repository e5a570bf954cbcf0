"""Hands a run's rows to trackers as they are written, or all of them afterwards.

    metrics, timing, eval    every number of the row, under its own name; shares by name as NAME/SHARE
    samples                  prompt, completion and reward, one evaluation together

Steps are learner steps. What is not finite is left out. A run that goes on after a stop makes the steps since its last
checkpoint again, and a tracker may show them twice; `show_again` begins anew from the records.
"""

import importlib
import math
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from steelyard.core import require, suggest
from steelyard.core.json import JsonMapping
from steelyard.report.records import read_run
from steelyard.report.track.tracker import Tracked, Tracker

TRACKERS: Mapping[str, tuple[str, str]] = {
    "tensorboard": ("tensorboard", "TensorBoard"),
    "trackio": ("trackio", "Trackio"),
    "wandb": ("wandb", "WeightsAndBiases"),
    "mlflow": ("mlflow", "MLflow"),
}
"""--track -> the package that it needs, and the class that is made, in the module in_NAME."""
NUMBERS = ("metrics", "timing", "eval")
SAMPLES = "samples"


class Mirror:
    """Shows a run's rows in trackers; `watch` is called with each. The trackers are made with the first row.

    Args:
        names: which trackers.
        tracked: the run.

    Raises:
        SteelyardError: a tracker is unknown, or its package is not installed.
    """

    def __init__(self, names: Sequence[str], tracked: Tracked) -> None:
        check_trackers(names)
        self._names = names
        self._tracked = tracked
        self._open: list[Tracker] = []
        self._samples: list[JsonMapping] = []

    def __enter__(self) -> "Mirror":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def watch(self, file: str, row: JsonMapping) -> None:
        """Take a row of a record file."""
        if file == SAMPLES:
            if self._samples and self._samples[0]["step"] != row["step"]:
                self._hand_samples()
            self._samples.append(row)
        elif file in NUMBERS and row.get("step") is not None:
            values = dict(numbers_of(row))
            for tracker in self._trackers():
                tracker.numbers(values, int(row["step"]))

    def close(self) -> None:
        """Hand over the last samples, and close the trackers."""
        self._hand_samples()
        while self._open:
            self._open.pop().close()

    def _hand_samples(self) -> None:
        rows, self._samples = self._samples, []
        for tracker in self._trackers() if rows else ():
            tracker.samples(rows, int(rows[0]["step"]))

    def _trackers(self) -> list[Tracker]:
        if not self._open:
            self._open = [_made(name, self._tracked) for name in self._names]
        return self._open


def numbers_of(row: JsonMapping) -> Iterator[tuple[str, float]]:
    """The finite numbers of a row but its step, by name."""
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}/{part}", number) for part, number in numbers_of(value))
        elif isinstance(value, int | float) and not isinstance(value, bool) and name != "step" and math.isfinite(value):
            yield name, float(value)


def check_trackers(names: Sequence[str]) -> None:
    """Refuse trackers that there are not.

    Raises:
        SteelyardError: one is unknown, or its package is not installed.
    """
    for name in names:
        require(name in TRACKERS, f"there is no {name!r}", where="--track", hint=suggest(name, TRACKERS))
        what = f"{name} needs the package {TRACKERS[name][0]}, which is not installed"
        hint = f"pip install 'steelyard[{name}]'"
        require(find_spec(TRACKERS[name][0]) is not None, what, where="--track", hint=hint)


def show_again(run_dir: Path, names: Sequence[str]) -> None:
    """Hand all records of a run to trackers, as a run of its own there.

    Raises:
        SteelyardError: it is no run, or there is no such tracker.
    """
    run = read_run(run_dir)
    kinds = {"metrics": run.metrics, "timing": run.timing, "eval": run.evals, SAMPLES: run.samples}
    rows = [(kind, row) for kind, found in kinds.items() for row in found]
    rows.sort(key=lambda pair: pair[1].get("step") or 0)
    with Mirror(names, Tracked(run_dir, resumed=False)) as mirror:
        for kind, row in rows:
            mirror.watch(kind, row)


def _made(name: str, tracked: Tracked) -> Tracker:
    package, kind = TRACKERS[name]
    module = importlib.import_module(f"steelyard.report.track.in_{name}")
    made = getattr(module, kind)(tracked, importlib.import_module(package))
    assert isinstance(made, Tracker)
    return made
