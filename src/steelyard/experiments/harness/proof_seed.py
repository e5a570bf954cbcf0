"""One seed of a proof, measured in a process of its own and kept.

A seed that was measured in the same place by the same proof file is taken as it is: a proof that was cut short goes on.
"""

import hashlib
import importlib.util
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from steelyard.core import SteelyardError, require
from steelyard.experiments.harness.metric import Metrics
from steelyard.experiments.harness.processes import DEADLINE, QUIETER, ask, measured_once, serve, side_by_side
from steelyard.experiments.harness.proof_index import load
from steelyard.runtime.run_dir.records import commit

QUICK_DEADLINE = 180.0


@dataclass(frozen=True)
class SeedJob:
    """One seed of one proof, to be measured."""

    id: str
    """The proof's."""
    module: str
    """The proof's."""
    seed: int
    quick: bool

    @property
    def label(self) -> str:
        """What it is called in messages."""
        return f"{self.id} seed {self.seed}"


class SeedResult(msgspec.Struct, frozen=True):
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
        raise SteelyardError("is no module", where=module, hint="name the module of a proof")
    return hashlib.blake2b(Path(spec.origin).read_bytes(), digest_size=8).hexdigest()


def carry_out(seeds: Sequence[SeedJob], directory: Path, jobs: int, say: Callable[[str], None]) -> list[SeedResult]:
    """Measure all that is not there yet, `jobs` at a time; one result for each, in order.

    Raises:
        SteelyardError: a seed failed; the message is its last line. Those that have finished are kept.
        FaultError: a seed did not come to its end.
    """
    return side_by_side(lambda seed: _one(seed, directory, say), seeds, jobs)


def _one(job: SeedJob, directory: Path, say: Callable[[str], None]) -> SeedResult:
    source = source_of(job.module)

    def fits(found: SeedResult) -> bool:
        same = found.source == source
        say(f"{job.label}: " + ("measured before" if same else "the proof has changed since, so it is measured again"))
        return same

    file = directory / job.id / f"{'quick' if job.quick else 'seed'}-{job.seed}.json"
    return measured_once(file, SeedResult, lambda: measure(job, source, say), fits=fits)


def measure(job: SeedJob, source: str, say: Callable[[str], None], deadline: float | None = None) -> SeedResult:
    """Measure a seed in a process of its own, which says each arm as it ends.

    Raises:
        SteelyardError: it failed; the message is its last line.
        FaultError: it did not come to its end.
    """

    def hear(line: str) -> None:
        if line.startswith("arm "):
            say(f"{job.label}: {line}")

    settings = {"module": job.module, "seed": job.seed, "quick": job.quick}
    at = commit()
    arms, seconds = ask(
        job.label,
        [sys.executable, "-m", __name__],
        settings,
        deadline=deadline or (QUICK_DEADLINE if job.quick else DEADLINE),
        hints=(f"run it alone: echo '{json.dumps(settings)}' | python -m {__name__}", QUIETER),
        hear=hear,
    )
    return SeedResult(job.seed, job.quick, source, arms, seconds, at)


def work(module: str, seed: int, quick: bool) -> tuple[dict[str, Metrics], dict[str, float]]:
    """Measure one seed in this process: the metrics of each arm, and the seconds that each took.

    Raises:
        SteelyardError: an arm comes twice, or a metric is not finite.
    """
    arms: dict[str, Metrics] = {}
    seconds: dict[str, float] = {}
    began = time.monotonic()
    proof = load(module)
    setting = proof.quick if quick else proof.setting
    named = proof.claimed if quick else proof.arms
    for arm, metrics in proof.measure(seed, setting, map(proof.arm, named)):
        require(arm not in arms, f"yields the arm {arm!r} twice", where=module, hint="name arms apart")
        for name, value in metrics.items():
            require(math.isfinite(value), f"{name} of {arm} is {value}", where=module, hint="measure a number")
        arms[arm] = {name: float(value) for name, value in metrics.items()}
        seconds[arm] = time.monotonic() - began
        print(f"arm {arm}, {seconds[arm]:.1f} s", file=sys.stderr, flush=True)
        began = time.monotonic()
    return arms, seconds


if __name__ == "__main__":
    serve(work)
