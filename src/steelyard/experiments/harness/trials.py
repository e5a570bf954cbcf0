"""Trials of a proof's arms and settings on seeds from 900: what is tried before a criterion is stated, all on record.

The learning rate is an axis: an arm is judged at its best of the rates that every arm is tried at, by the metric of the
first claim that names it, the mean over the trial's seeds. What each arm gave at a seed is a line of
docs/evidence/trials, written as it ends, so that a verdict can say how many settings were tried, for ours and for each
baseline.
"""

import itertools
import json
import statistics
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from steelyard.core import SteelyardError, require
from steelyard.experiments.harness.arm_result import ArmResult, about_of
from steelyard.experiments.harness.claim import Claim, Judged, judge
from steelyard.experiments.harness.metric import ArmMetrics
from steelyard.experiments.harness.proof import FIRST_TRIAL_SEED, AnyProof
from steelyard.experiments.harness.proof_seed import SeedJob, SeedResult
from steelyard.experiments.harness.variation import Variation, varied
from steelyard.runtime.run_dir.disk import writing
from steelyard.runtime.run_dir.records import commit
from steelyard.worlds.described import described

Changes = tuple[tuple[str, str], ...]
"""Fields and their values, as in a `Variation`."""
Cell = tuple[int, str]
"""A seed, and the digest of an arm with its setting."""


@dataclass(frozen=True)
class Grid:
    """What is tried: every value of every field with every other, at every rate."""

    arms: tuple[str, ...] = ()
    """These alone; none named, all."""
    values: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Fields, each with the values that it is tried with."""
    rates: tuple[float, ...] = ()
    """Learning rates; none named, each arm's own."""

    @property
    def variations(self) -> list[Variation]:
        """Every combination."""
        fields = [[(name, value) for value in values] for name, values in self.values]
        return [
            Variation(self.arms, tuple(changes), rate)
            for changes in itertools.product(*fields)
            for rate in self.rates or (None,)
        ]


class TrialRecord(msgspec.Struct, frozen=True):
    """One arm, tried with some settings at a seed, or at some: a line of the method's trials."""

    arm: str
    settings: Any
    """What the arm and its setting were, by value."""
    rate: float
    seeds: list[int]
    quick: bool
    metrics: dict[str, list[float]]
    """Metric -> value at each seed."""
    commit: str | None
    date: str


@dataclass(frozen=True)
class Tried:
    """One combination of settings, with every arm at its best rate."""

    changes: Changes
    rates: Mapping[str, float]
    """Arm -> the rate at which it was best, or the only one."""
    seeds: Mapping[int, ArmMetrics]
    """Seed -> arm -> its metrics at that rate."""

    @property
    def label(self) -> str:
        """The combination in words."""
        return ", ".join(f"{name}={value}" for name, value in self.changes) or "as it stands"

    def judged(self, proof: AnyProof) -> list[Judged]:
        """The claims whose arms were all tried."""
        arms = next(iter(self.seeds.values()))
        named = [(claim, claim.ours or proof.ours) for claim in proof.claims]
        return [
            judge(claim, self.seeds, ours)
            for claim, ours in named
            if ours in arms and (isinstance(claim.baseline, float | int) or claim.baseline in arms)
        ]


def check_seeds(seeds: Sequence[int]) -> None:
    """Refuse seeds that a verdict may be about.

    Raises:
        SteelyardError: one is, or there are none.
    """
    below = [seed for seed in seeds if seed < FIRST_TRIAL_SEED]
    hint = f"try seeds from {FIRST_TRIAL_SEED} on: a verdict's are looked at by steelyard prove alone"
    require(bool(seeds) and not below, f"{below or 'none'} are no seeds for trials", where="--seeds", hint=hint)


def check_rates(proof: AnyProof, grid: Grid) -> None:
    """Refuse rates where no arm learns at one: each would measure the same again.

    Raises:
        SteelyardError: none of the arms that are tried has a learning rate.
    """
    learns = any(arm not in proof.arms or proof.rates.get(arm) for arm in grid.arms or proof.arms)
    what = f"no arm of the proof of {', '.join(proof.proves)} that is tried has a learning rate"
    require(learns or not grid.rates, what, where="--rates", hint="leave it out")


def jobs_of(id: str, module: str, grid: Grid, seeds: Sequence[int], *, quick: bool) -> list[SeedJob]:
    """All that a grid measures: for each variation its seeds, in order."""
    return [SeedJob(id, module, seed, quick, variation) for variation in grid.variations for seed in seeds]


def combined(proof: AnyProof, jobs: Sequence[SeedJob], results: Sequence[SeedResult]) -> list[Tried]:
    """The results by combination of settings, every arm at its best rate."""
    found: dict[Changes, dict[float | None, dict[int, ArmMetrics]]] = {}
    for job, result in zip(jobs, results, strict=True):
        found.setdefault(job.variation.changes, {}).setdefault(job.variation.rate, {})[job.seed] = result.arms
    return [_at_best(proof, changes, by_rate) for changes, by_rate in found.items()]


def _at_best(proof: AnyProof, changes: Changes, by_rate: Mapping[float | None, Mapping[int, ArmMetrics]]) -> Tried:
    first = next(iter(by_rate.values()))
    arms = list(next(iter(first.values())))
    best = {arm: max(by_rate, key=lambda rate: _score(proof, arm, by_rate[rate])) for arm in arms}
    seeds = {seed: {arm: by_rate[best[arm]][seed][arm] for arm in arms} for seed in first}
    own = {arm: proof.rates.get(arm, 0.0) for arm in arms}
    chosen = {arm: own[arm] if not own[arm] or (rate := best[arm]) is None else rate for arm in arms}
    return Tried(changes, chosen, seeds)


def _score(proof: AnyProof, arm: str, seeds: Mapping[int, ArmMetrics]) -> float:
    """The mean of an arm in what it is claimed for, higher is better; 0 where no claim names it."""
    claim = claim_naming(proof, arm)
    if claim is None:
        return 0.0
    mean = statistics.fmean(arms[arm].get(claim.metric, 0.0) for arms in seeds.values())
    return -mean if claim.lower_is_better else mean


def claim_naming(proof: AnyProof, arm: str) -> Claim | None:
    """The first claim that an arm is on a side of; an arm of none is chosen by the first of all."""
    for claim in proof.claims:
        if arm in (claim.ours or proof.ours, claim.baseline, proof.control_of(claim)):
            return claim
    return proof.claims[0]


class Kept:
    """Enters each arm of a seed into a method's file of trials as it ends, from however many threads.

    Args:
        file: the file, one JSON object a line.
        proof: whose arms they are.
    """

    def __init__(self, file: Path, proof: AnyProof) -> None:
        self.file = file
        self.proof = proof
        self.ended: set[Cell] = set()
        self._lock = threading.Lock()

    def __call__(self, job: SeedJob, result: ArmResult) -> None:
        """Enter one, which is there or has just ended.

        Raises:
            SteelyardError: the disk does not take it.
        """
        with self._lock:
            enter(self.file, [record_of(self.proof, job, result.arm, result.metrics)])
            self.ended.add((job.seed, result.about))


def cells_of(proof: AnyProof, jobs: Sequence[SeedJob]) -> set[Cell]:
    """All that jobs measure; an arm that a change does not concern is one cell with it and without."""
    measured = [(job.seed, *varied(proof, job.variation, quick=job.quick)) for job in jobs]
    return {(seed, about_of(setting, arm)) for seed, setting, arms in measured for arm in arms}


def record_of(proof: AnyProof, job: SeedJob, name: str, metrics: Mapping[str, float]) -> TrialRecord:
    """The record of an arm at a seed."""
    setting, arms = varied(proof, job.variation, quick=job.quick)
    (arm,) = (arm for arm in arms if arm.name == name)
    return TrialRecord(
        arm=name,
        settings={"setting": described(setting), "arm": described(arm.settings)},
        rate=arm.rate,
        seeds=[job.seed],
        quick=job.quick,
        metrics={metric: [value] for metric, value in metrics.items()},
        commit=commit(),
        date=time.strftime("%Y-%m-%d", time.gmtime()),
    )


def enter(file: Path, records: Sequence[TrialRecord]) -> None:
    """Add trials to a method's file; a seed that is there with the same figures is not entered again.

    Raises:
        SteelyardError: the disk does not take it.
    """
    there = {cell for line in _lines(file) for cell in _cells(json.loads(line))}
    new = [plain for plain in map(msgspec.to_builtins, records) if not there.issuperset(_cells(plain))]
    with writing(file, SteelyardError):
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as lines:
            lines.writelines(json.dumps(plain) + "\n" for plain in new)


def _lines(file: Path) -> list[bytes]:
    return file.read_bytes().splitlines() if file.exists() else []


def _cells(plain: Mapping[str, Any]) -> set[str]:
    """What a line says of each of its seeds, whoever measured it and when."""
    same = {name: value for name, value in plain.items() if name not in ("commit", "date", "seeds", "metrics")}
    rows = (
        {name: values[i] for name, values in plain["metrics"].items()} | {"of seed": seed}
        for i, seed in enumerate(plain["seeds"])
    )
    return {json.dumps([same, row], sort_keys=True) for row in rows}
