"""The process that measures arms of one seed and keeps each result as it comes.

Several may work at one seed: an arm is measured by whoever locks it first. One that is killed loses the arm that it was
at, and no other.
"""

import math
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec

from steelyard.core import require
from steelyard.experiments.harness import arm_result
from steelyard.experiments.harness.arm import Arm
from steelyard.experiments.harness.arm_result import ArmResult
from steelyard.experiments.harness.metric import Metrics
from steelyard.experiments.harness.processes import keep, serve
from steelyard.experiments.harness.proof_index import file_of_module, load
from steelyard.experiments.harness.variation import Variation, varied
from steelyard.worlds import base_cache, code_reached
from steelyard.worlds.code_reached import CodeReached
from steelyard.worlds.file_lock import held

PREPARED = "prepared"
"""The part of what is reached that belongs to all arms."""

GLANCE = 0.5
"""Seconds that a look at whether an arm is free may keep it locked, and more."""


class ArmWorker:
    """Measures the arms of one seed that nobody has measured and nobody else is at.

    Args:
        proof: the proof's file.
        seed: the seed.
        setting: what all arms have in common.
        arms: those to be measured.
        folder: where results go.
        at: the commit of the source tree.
    """

    def __init__(
        self, proof: Path, seed: int, setting: object, arms: list[Arm[Any]], folder: Path, at: str | None
    ) -> None:
        self.proof = proof
        self.seed = seed
        self.about = {arm.name: arm_result.about_of(setting, arm) for arm in arms}
        self.arms = arms
        self.folder = folder
        self.done: list[str] = []
        self._commit = at
        self._known = {name: arm_result.sources_known(folder, name, self.about[name], proof) for name in self.about}
        self._code: CodeReached | None = None
        self._now = ""
        self._began = time.process_time()

    def recording(self, stack: ExitStack) -> None:
        """Record which files are reached, where no other seed has said it: that costs a third of the time more."""
        if not all(self._known.values()):
            self._code = stack.enter_context(code_reached.recording([self.proof]))
            self._code.enter(PREPARED)

    def assigned(self) -> Iterator[Arm[Any]]:
        """The arms to measure, each locked until the next is asked for."""
        for arm in self.arms:
            with held(arm_result.lock_of(self.folder, arm.name, self.about[arm.name]), wait=GLANCE) as mine:
                if mine and not self._is_there(arm.name):
                    self._now = arm.name
                    if self._code:
                        self._code.enter(arm.name)
                    yield arm

    def store(self, name: str, metrics: Metrics) -> None:
        """Keep what the present arm gave.

        Raises:
            SteelyardError: it is another arm's, or a metric is not finite.
        """
        where = self.proof.stem
        require(name == self._now, f"yields {name!r} for the arm {self._now!r}", where=where, hint="yield arm.name")
        for key, value in metrics.items():
            require(math.isfinite(value), f"{key} of {name} is {value}", where=where, hint="measure a number")
        seconds = time.process_time() - self._began
        sources = code_reached.digests(self._sources(name), criterion=self.proof)
        plain = {key: float(value) for key, value in metrics.items()}
        result = ArmResult(self.seed, name, self.about[name], plain, seconds, sources, self._commit)
        keep(arm_result.file_of(self.folder, name, self.about[name]), result)
        self.done.append(name)
        print(f"arm {name}, {seconds:.1f} s", file=sys.stderr, flush=True)
        self._began = time.process_time()

    def _sources(self, name: str) -> list[Path]:
        if self._code:
            return [*self._code.files(PREPARED, name)]
        return self._known[name] or []

    def _is_there(self, name: str) -> bool:
        result = arm_result.read(self.folder, name, self.about[name])
        return result is not None and not arm_result.why_not(result, self.proof)


def work(module: str, seed: int, quick: bool, variation: object, folder: str, at: str | None) -> list[str]:
    """Measure in this process what is left of a seed; returns the arms that it measured.

    Raises:
        SteelyardError: a result cannot be kept.
    """
    proof = load(module)
    setting, arms = varied(proof, msgspec.convert(variation, Variation), quick=quick)
    base_cache.use(base_cache.default_directory())
    worker = ArmWorker(file_of_module(module), seed, setting, arms, Path(folder), at)
    with ExitStack() as stack:
        worker.recording(stack)
        for name, metrics in proof.measure(seed, setting, worker.assigned()):
            worker.store(name, metrics)
    return worker.done


if __name__ == "__main__":
    serve(work)
