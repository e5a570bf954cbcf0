"""One seed of a proof in a process of its own, and many of them side by side, kept as they finish.

A seed that was measured in the same place, by the same proof file, is taken as it is: so a proof that was cut short
goes on.
"""

import hashlib
import importlib.util
import json
import math
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec

from steelyard.core import FaultError, SteelyardError, require
from steelyard.experiments.bench.processes import environment
from steelyard.experiments.harness.proof import Metrics, load
from steelyard.runtime import to_json
from steelyard.runtime.run_dir.disk import put, writing
from steelyard.runtime.run_dir.records import commit

DEADLINE = 1800.0
QUICK_DEADLINE = 180.0


@dataclass(frozen=True)
class Task:
    """One seed of one proof."""

    id: str
    """The method's."""
    module: str
    """The proof's."""
    seed: int
    quick: bool

    @property
    def label(self) -> str:
        """What it is called in messages."""
        return f"{self.id} seed {self.seed}"


class Measured(msgspec.Struct, frozen=True):
    """What one seed gave."""

    seed: int
    quick: bool
    source: str
    """Digest of the proof's file."""
    arms: dict[str, dict[str, float]]
    seconds: dict[str, float]
    """What each arm took; the first with what was prepared for all."""
    commit: str | None = None
    """Of the source tree when it began; None where that is not known."""


def source_of(module: str) -> str:
    """A digest of a module's file.

    Raises:
        SteelyardError: there is no such module.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise SteelyardError("is no module", where=module, hint="look at the card's proof")
    return hashlib.blake2b(Path(spec.origin).read_bytes(), digest_size=8).hexdigest()


def carry_out(tasks: Sequence[Task], directory: Path, jobs: int, say: Callable[[str], None]) -> list[Measured]:
    """Measure all that is not there yet, `jobs` at a time; one result for each task, in order.

    Raises:
        SteelyardError: a seed failed; the message is its last line. Those that have finished are kept.
        FaultError: a seed did not come to its end.
    """
    with ThreadPoolExecutor(jobs) as pool:
        waiting = [pool.submit(_one, task, directory, say) for task in tasks]
        try:
            return [each.result() for each in waiting]
        except BaseException:  # an interrupt too: seeds that wait must not begin
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _one(task: Task, directory: Path, say: Callable[[str], None]) -> Measured:
    file = directory / task.id / f"{'quick' if task.quick else 'seed'}-{task.seed}.json"
    source = source_of(task.module)
    if file.exists():
        kept = _read(file)
        if kept.source == source:
            say(f"{task.label}: measured before")
            return kept
        say(f"{task.label}: the proof has changed since, so it is measured again")
    found = measure(task, source, say)
    with writing(file, SteelyardError):
        file.parent.mkdir(parents=True, exist_ok=True)
        put(file, to_json(msgspec.to_builtins(found), indent=1).encode() + b"\n")
    return found


def _read(file: Path) -> Measured:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Measured)
    except (OSError, msgspec.DecodeError) as error:
        raise SteelyardError("is damaged", where=str(file), hint="take it away, to measure the seed again") from error


def measure(task: Task, source: str, say: Callable[[str], None], deadline: float | None = None) -> Measured:
    """Measure a seed in a process of its own, which says each arm as it ends.

    Raises:
        SteelyardError: it failed; the message is its last line.
        FaultError: it did not come to its end.
    """
    limit = deadline or (QUICK_DEADLINE if task.quick else DEADLINE)
    asked = {"module": task.module, "seed": task.seed, "quick": task.quick}
    late = threading.Event()
    last = "no message"
    at = commit()
    with subprocess.Popen(
        [sys.executable, "-m", __name__, json.dumps(asked)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(1),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        timer = threading.Timer(limit, lambda: (late.set(), process.kill()))
        timer.start()
        try:
            for line in process.stderr:
                last = line.strip() or last
                if line.startswith("arm "):
                    say(f"{task.label}: {line.strip()}")
            answer = process.stdout.read()
            code = process.wait()
        finally:
            timer.cancel()
            process.kill()
    if late.is_set():
        raise FaultError(f"has not ended within {limit:.0f} s", where=task.label, hint="run it on a quieter machine")
    if code != 0:
        raise SteelyardError(last, where=task.label, hint=f"run it alone: python -m {__name__} '{json.dumps(asked)}'")
    arms, seconds = json.loads(answer.splitlines()[-1])
    return Measured(task.seed, task.quick, source, arms, seconds, at)


def main(asked: str) -> None:
    """Be the process that measures one seed."""
    import torch

    torch.set_num_threads(1)
    settings = json.loads(asked)
    arms: dict[str, Metrics] = {}
    seconds: dict[str, float] = {}
    began = time.monotonic()
    for arm, metrics in load(settings["module"]).measure(settings["seed"], settings["quick"]):
        require(arm not in arms, f"yields the arm {arm!r} twice", where=settings["module"], hint="name arms apart")
        for name, value in metrics.items():
            require(
                math.isfinite(value), f"{name} of {arm} is {value}", where=settings["module"], hint="measure a number"
            )
        arms[arm] = {name: float(value) for name, value in metrics.items()}
        seconds[arm] = time.monotonic() - began
        print(f"arm {arm}, {seconds[arm]:.1f} s", file=sys.stderr, flush=True)
        began = time.monotonic()
    print(json.dumps([arms, seconds]))


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except SteelyardError as error:
        sys.exit(str(error))
