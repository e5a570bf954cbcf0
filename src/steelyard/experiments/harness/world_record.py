"""Records of measured worlds: every number of every seed, and what they say together.

In a source tree a record is docs/evidence/worlds/NAME.json, and the package carries the properties of all worlds in one
file, which `steelyard worlds` shows.
"""

import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import msgspec

from steelyard import worlds
from steelyard.core import SteelyardError
from steelyard.experiments.harness import world_seed
from steelyard.experiments.harness.processes import keep, kept, side_by_side
from steelyard.experiments.harness.world_seed import WorldJob, WorldSeed
from steelyard.runtime.run_dir.disk import writing
from steelyard.runtime.run_dir.machine import machine
from steelyard.worlds import shelf
from steelyard.worlds.contract import Property

SEEDS = (900, 901, 902)
"""Seeds for trials: no verdict of a proof counts on them."""
SHIPPED = Path(worlds.__file__).parent / "measured.json"
ROOT = Path(__file__).parents[4]
"""Of the source tree, if this is one."""
EVIDENCE = ROOT / "docs" / "evidence" / "worlds"


class Measured(msgspec.Struct, frozen=True):
    """What the package knows of a world."""

    kind: str
    properties: list[Property]
    core_minutes: float
    seeds: list[int]
    date: str
    commit: str | None


class Shipped(msgspec.Struct, frozen=True):
    """The package's file."""

    worlds: dict[str, Measured]


class WorldRecord(Measured, frozen=True):
    """All that was measured."""

    world: str
    command: str
    machine: str
    by_seed: list[dict[str, dict[str, float]]]
    """For each seed: arm -> metric -> value."""


def measure(names: Sequence[str], directory: Path, jobs: int, say: Callable[[str], None]) -> dict[str, WorldRecord]:
    """Measure worlds, their seeds side by side; each record goes to `directory`/NAME.json.

    Args:
        names: the worlds.
        directory: where results go; seeds that are there are taken as they are.
        jobs: at a time; 0 for one per core.
        say: called with each line of progress.

    Raises:
        SteelyardError: a seed failed.
        FaultError: a seed did not come to its end.
    """
    every = [WorldJob(name, seed) for name in names for seed in SEEDS]
    with writing(directory, SteelyardError):
        directory.mkdir(parents=True, exist_ok=True)
    found = side_by_side(lambda job: world_seed.carry_out(job, directory, say), every, jobs)
    records = {}
    for i, name in enumerate(names):
        records[name] = record_of(name, found[i * len(SEEDS) : (i + 1) * len(SEEDS)])
        keep(directory / f"{name}.json", records[name])
    return records


def record_of(name: str, seeds: Sequence[WorldSeed]) -> WorldRecord:
    """The record of a world's seeds."""
    world = shelf.load(name)
    arms = [one.arms for one in seeds]
    spent = sum(metrics.get("cpu_s", 0.0) for one in arms for metrics in one.values())
    return WorldRecord(
        kind=world.kind,
        properties=world.properties(arms),
        core_minutes=round(spent / 60, 1),
        seeds=[one.seed for one in seeds],
        date=time.strftime("%Y-%m-%d", time.gmtime()),
        commit=seeds[0].commit,
        world=name,
        command=f"steelyard worlds {name} --measure",
        machine=machine(),
        by_seed=arms,
    )


def publish(records: dict[str, WorldRecord]) -> None:
    """Put records into the source tree, and what they say into the package's file."""
    for name, record in records.items():
        keep(EVIDENCE / f"{name}.json", record)
    known = {name: _told(record) for name, record in records.items()}
    every = {**shipped(), **known}
    keep(SHIPPED, Shipped({name: every[name] for name in shelf.names() if name in every}))
    shipped.cache_clear()


def _told(record: WorldRecord) -> Measured:
    return Measured(*(getattr(record, name) for name in Measured.__struct_fields__))


@cache
def shipped() -> dict[str, Measured]:
    """What the package knows, by world; nothing of a world that was never measured."""
    return kept(SHIPPED, Shipped, hint="install the package again").worlds if SHIPPED.is_file() else {}


def is_source_tree() -> bool:
    """Whether there is a place for evidence."""
    return (ROOT / "pyproject.toml").is_file() and SHIPPED.is_relative_to(ROOT / "src")
