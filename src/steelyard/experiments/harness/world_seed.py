"""One seed of a world, measured in a process of its own and kept.

A seed that was measured in the same place by the same code is taken as it is. The code is the world's module, that of
its kind and those that all worlds share, without comments and docstrings.
"""

import hashlib
import inspect
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from steelyard.core.modules import find_module
from steelyard.experiments.harness.processes import QUIETER, ask, measured_once, serve
from steelyard.runtime.run_dir.records import commit
from steelyard.worlds import base_cache, contract, shelf, sync_loop
from steelyard.worlds.code_reached import digest

DEADLINE = 900.0
"""Seconds that a seed may take."""


class WorldSeed(msgspec.Struct, frozen=True):
    """What one seed gave."""

    seed: int
    source: str
    """Digest of the code."""
    arms: dict[str, dict[str, float]]
    commit: str | None = None


@dataclass(frozen=True)
class WorldJob:
    """One seed of one world, to be measured."""

    world: str
    seed: int

    @property
    def label(self) -> str:
        """What it is called in messages."""
        return f"{self.world} seed {self.seed}"


def source_of(name: str) -> str:
    """A digest of the code that a world is measured by."""
    from steelyard import worlds

    modules = (find_module(name, worlds, "world"), sys.modules[type(shelf.load(name)).__module__], contract, sync_loop)
    text = "".join(digest(Path(inspect.getfile(module))) for module in modules)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def carry_out(job: WorldJob, directory: Path, say: Callable[[str], None]) -> WorldSeed:
    """Measure a seed, unless it is there.

    Raises:
        SteelyardError: it failed; the message is its last line.
        FaultError: it did not come to its end.
    """
    source = source_of(job.world)

    def fits(found: WorldSeed) -> bool:
        same = found.source == source
        say(f"{job.label}: " + ("measured before" if same else "the code has changed since, so it is measured again"))
        return same

    file = directory / job.world / f"seed-{job.seed}.json"
    return measured_once(file, WorldSeed, lambda: _measure(job, source, say), fits=fits)


def _measure(job: WorldJob, source: str, say: Callable[[str], None]) -> WorldSeed:
    settings = {"world": job.world, "seed": job.seed}
    at = commit()
    arms = ask(
        job.label,
        [sys.executable, "-m", __name__],
        settings,
        deadline=DEADLINE,
        hints=(f"run it alone: echo '{json.dumps(settings)}' | python -m {__name__}", QUIETER),
        hear=lambda line: say(f"{job.label}: {line}") if line.startswith("arm ") else None,
    )
    return WorldSeed(job.seed, source, arms, at)


def work(world: str, seed: int) -> Mapping[str, Mapping[str, float]]:
    """Measure one seed in this process."""
    base_cache.use(base_cache.default_directory())
    arms: dict[str, Mapping[str, float]] = {}
    for arm, metrics in shelf.load(world).measure(seed):
        arms[arm] = metrics
        print(f"arm {arm}", file=sys.stderr, flush=True)
    return arms


if __name__ == "__main__":
    serve(work)
