"""Seconds to start: the help text, the imports, and a training run up to its first learner step.

Every figure is a fresh process from its start to its end, in turn; `python -c pass` is what the interpreter takes of
itself. For training, `steelyard train arithmetic` is started and its metrics.jsonl is looked at every 5 ms: the time to
the first row is the time to the first step; the run is then stopped. One round goes before, so that files are in the
page cache.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from steelyard.core import FaultError, PositiveInt, checked
from steelyard.experiments.bench.measuring import interleaved, seconds
from steelyard.experiments.bench.record import Row
from steelyard.experiments.harness.processes import environment
from steelyard.experiments.harness.spread import spread

TITLE = "Start-up, seconds"
PROCESSES = {
    "python -c pass": ["-c", "pass"],
    "steelyard --help": ["-m", "steelyard", "--help"],
    "import steelyard": ["-c", "import steelyard"],
    "import steelyard.recipes": ["-c", "import steelyard.recipes"],
}
_DEADLINE = 120.0


@checked()
@dataclass(frozen=True)
class Startup:
    """Seconds to the help text, the imports, and the first step."""

    runs: PositiveInt = 5
    """Runs of each."""
    recipe: str = "arithmetic"
    """What is trained."""


def measure(settings: Startup, workdir: Path, say: Callable[[str], None]) -> list[Row]:
    """A row for each, with the seconds of every run."""
    works: dict[str, Callable[[], float]] = {
        what: lambda words=words: seconds(lambda: _run(words)) for what, words in PROCESSES.items()
    }
    for runtime in ("local", "inline"):
        what = f"steelyard train {settings.recipe} --runtime {runtime}, to its first step"
        works[what] = lambda runtime=runtime: to_first_step(settings.recipe, runtime, workdir)
    found = interleaved(works, settings.runs)
    for what, values in found.items():
        say(f"{what}: {spread(values)} s")
    return [{"what": what, "seconds": values} for what, values in found.items()]


def table(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """A line for each."""
    return ["", "seconds, median [lowest, highest]"], [[row["what"], spread(row["seconds"])] for row in rows]


def _run(words: Sequence[str]) -> None:
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL, env=environment(1))


def to_first_step(recipe: str, runtime: str, workdir: Path) -> float:
    """Seconds from the start of `steelyard train` to its first learner step.

    Raises:
        FaultError: it ended before, or did not come to it.
    """
    place = workdir / f"{runtime}-{time.time_ns()}"
    words = ["-m", "steelyard", "train", recipe, "--runtime", runtime, "--output-dir", str(place)]
    metrics = place / "metrics.jsonl"
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(1)
    ) as process:
        try:
            while not (metrics.exists() and metrics.stat().st_size):
                late = time.perf_counter() - began > _DEADLINE
                if late or process.poll() is not None:
                    what = f"no step in {time.perf_counter() - began:.0f} s, exit code {process.poll()}"
                    raise FaultError(what, where=f"train {recipe}", hint="run it alone to see more")
                time.sleep(0.005)
            return time.perf_counter() - began
        finally:
            process.send_signal(signal.SIGTERM)
