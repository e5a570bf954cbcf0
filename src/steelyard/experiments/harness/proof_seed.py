"""Seeds of proofs, measured arm by arm in processes of their own, as many as there are cores, and kept.

First every seed has a process, first seeds before others: they say which files an arm reaches. A process that finds no
seed without one helps at a seed that has arms left. What was measured before, by the code and settings of today, is
taken as it is: what was cut short goes on, and a change of code costs the arms that reach it.
"""

import json
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from steelyard.core import FaultError, SteelyardError
from steelyard.experiments.harness import arm_result
from steelyard.experiments.harness.arm import Arm
from steelyard.experiments.harness.arm_result import ArmResult
from steelyard.experiments.harness.processes import DEADLINE, QUIETER, ask, side_by_side
from steelyard.experiments.harness.proof_index import file_of_module, load
from steelyard.experiments.harness.time_left import TimeLeft
from steelyard.experiments.harness.variation import Variation, varied
from steelyard.runtime.run_dir.disk import writing
from steelyard.runtime.run_dir.records import commit
from steelyard.worlds.file_lock import held

QUICK_DEADLINE = 600.0
WORKER = "steelyard.experiments.harness.arm_worker"


@dataclass(frozen=True)
class SeedJob:
    """One seed of one proof, to be measured."""

    id: str
    """The proof's."""
    module: str
    """The proof's."""
    seed: int
    quick: bool
    variation: Variation = field(default_factory=Variation)
    """What is changed; nothing, where it is for a verdict."""

    @property
    def label(self) -> str:
        """What it is called in messages."""
        return f"{self.id} seed {self.seed}"

    def folder(self, directory: Path) -> Path:
        """Where the results of its arms are."""
        return directory / self.id / f"seed-{self.seed}"


class SeedResult(msgspec.Struct, frozen=True):
    """What one seed gave."""

    seed: int
    quick: bool
    sources: dict[str, str]
    """The source files that its arms reached -> what they said: `code_reached.digests`."""
    arms: dict[str, dict[str, float]]
    seconds: dict[str, float]
    """Of processor time that each arm took; one that came first in its process, with what was prepared for all."""
    commit: str | None = None
    """Of the source tree when its first arm began; None where that is not known."""


Ended = Callable[[SeedJob, ArmResult], None]
"""Hears of each arm of a seed as it ends; arms that were there before come first."""


def _unheard(job: SeedJob, result: ArmResult) -> None:
    """Nobody hears."""


def carry_out(
    seeds: Sequence[SeedJob],
    directory: Path,
    jobs: int,
    say: Callable[[str], None],
    ended: Ended = _unheard,
) -> list[SeedResult]:
    """Measure all arms that are not there yet, `jobs` at a time; one result for each seed, in order.

    Args:
        seeds: what is measured.
        directory: where results are and go.
        jobs: arms at a time; 0 for one per core.
        say: called with what passes, in words.
        ended: called with each arm's result, from several threads.

    Raises:
        SteelyardError: an arm failed; the message is its last line. Those that have finished are kept.
        FaultError: a process did not come to its end.
    """
    jobs = jobs or os.cpu_count() or 1
    asked = [AskedSeed(job, directory, ended) for job in seeds]
    for one in asked:
        one.tell(say)
    left = _time_left(asked, jobs)
    by_place = sorted(asked, key=_place_among(seeds))
    for_helpers = [one for _ in range(jobs - 1) for one in by_place]
    side_by_side(lambda one: one.measure(say, left), [*by_place, *for_helpers], jobs)
    return [one.result() for one in asked]


def _place_among(seeds: Sequence[SeedJob]) -> Callable[["AskedSeed"], int]:
    """How many seeds of the same proof come before this one."""
    return lambda one: [job for job in seeds if job.id == one.job.id].index(one.job)


def _time_left(asked: Sequence["AskedSeed"], jobs: int) -> TimeLeft:
    todo: dict[str, list[str]] = defaultdict(list)
    known: dict[tuple[str, str], list[float]] = defaultdict(list)
    for one in asked:
        todo[one.job.id] += one.missing()
        for result in one.found().values():
            known[one.job.id, result.arm].append(result.seconds)
    return TimeLeft(todo, known, jobs)


class AskedSeed:
    """One seed with its arms, and what is there of it."""

    def __init__(self, job: SeedJob, directory: Path, ended: Ended = _unheard) -> None:
        self.job = job
        self.ended = ended
        self.folder = job.folder(directory)
        self.proof = file_of_module(job.module)
        setting, arms = varied(load(job.module), job.variation, quick=job.quick)
        self.arms: list[Arm[Any]] = arms
        self.about = {arm.name: arm_result.about_of(setting, arm) for arm in arms}

    def found(self) -> dict[str, ArmResult]:
        """The results that fit."""
        results = {name: arm_result.read(self.folder, name, about) for name, about in self.about.items()}
        return {name: result for name, result in results.items() if result and not self._why_not(result)}

    def missing(self) -> list[str]:
        """The arms without a result that fits."""
        found = self.found()
        return [arm.name for arm in self.arms if arm.name not in found]

    def open(self) -> list[str]:
        """Those of them that nobody is measuring."""
        return [name for name in self.missing() if self._free(name)]

    def tell(self, say: Callable[[str], None]) -> None:
        """Say what is there, and why what is there is not taken."""
        found = self.found()
        for result in found.values():
            self.ended(self.job, result)
        if len(found) == len(self.arms):
            say(f"{self.job.label}: measured before")
        elif found:
            say(f"{self.job.label}: {len(found)} of {len(self.arms)} arms measured before")
        for name, about in self.about.items():
            result = arm_result.read(self.folder, name, about)
            if result is not None and name not in found:
                say(f"{self.job.label}: arm {name} is measured again: {self._why_not(result)}")

    def measure(self, say: Callable[[str], None], left: TimeLeft, deadline: float | None = None) -> None:
        """Measure what is open in a process of its own, which says each arm as it ends.

        Raises:
            SteelyardError: it failed; the message is its last line.
            FaultError: it did not come to its end.
        """
        with writing(self.folder, SteelyardError):
            self.folder.mkdir(parents=True, exist_ok=True)
        if not self.open():
            return

        def hear(line: str) -> None:
            if line.startswith("arm "):
                arm, _, took = line.removeprefix("arm ").rpartition(", ")
                left.measured(self.job.id, arm, float(took.removesuffix(" s")))
                say(f"{self.job.label}: {line}; {left}")
                result = arm_result.read(self.folder, arm, self.about[arm])
                if result is not None:
                    self.ended(self.job, result)

        settings = {
            "module": self.job.module,
            "seed": self.job.seed,
            "quick": self.job.quick,
            "variation": msgspec.to_builtins(self.job.variation),
            "folder": str(self.folder),
            "at": commit(),
        }
        ask(
            self.job.label,
            [sys.executable, "-m", WORKER],
            settings,
            deadline=deadline or (QUICK_DEADLINE if self.job.quick else DEADLINE),
            hints=(f"run it alone: echo '{json.dumps(settings)}' | python -m {WORKER}", QUIETER),
            hear=hear,
        )

    def result(self) -> SeedResult:
        """All arms together.

        Raises:
            FaultError: one is not there.
        """
        found = self.found()
        missing = [arm.name for arm in self.arms if arm.name not in found]
        if missing:
            what = f"has no result of {', '.join(missing)}: another process is at it, or the code has just changed"
            raise FaultError(what, where=self.job.label, hint="run the command again when nothing else measures it")
        ordered = [found[arm.name] for arm in self.arms]
        return SeedResult(
            seed=self.job.seed,
            quick=self.job.quick,
            sources={name: digest for one in ordered for name, digest in one.sources.items()},
            arms={one.arm: one.metrics for one in ordered},
            seconds={one.arm: one.seconds for one in ordered},
            commit=ordered[0].commit,
        )

    def _why_not(self, result: ArmResult) -> str:
        return arm_result.why_not(result, self.proof)

    def _free(self, name: str) -> bool:
        with held(arm_result.lock_of(self.folder, name, self.about[name])) as mine:
            return mine
