"""Proofs from first seed to record: measured side by side, judged, drawn and kept."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from steelyard.core import PositiveInt, Seed, SteelyardError, checked
from steelyard.experiments.harness.claim import ArmMetrics, Judged, worst
from steelyard.experiments.harness.processes import Jobs, keep
from steelyard.experiments.harness.proof import Proof, judge_all, verdict_of
from steelyard.experiments.harness.proof_index import load
from steelyard.experiments.harness.proof_plot import draw
from steelyard.experiments.harness.proof_record import ClaimRecord, ProofRecord
from steelyard.experiments.harness.proof_seed import SeedJob, SeedResult, carry_out
from steelyard.runtime.run_dir.disk import writing
from steelyard.runtime.run_dir.machine import machine
from steelyard.runtime.run_dir.records import commit

QUICK_SEEDS = 2


@checked()
@dataclass(frozen=True)
class ProofSettings:
    """How proofs are carried out."""

    seeds: PositiveInt | None = None
    """How many; by default the proof's own number, 3 in most, or 2 for a quick run."""
    first_seed: Seed | None = None
    """The first of them; by default the proof's own."""
    quick: bool = False
    """Smaller, under a minute: to see that it works, not to judge by."""
    jobs: Jobs = 0
    """Seeds at a time; 0 for one per core."""


def prove(
    modules: Mapping[str, str], settings: ProofSettings, directory: Path, say: Callable[[str], None]
) -> dict[str, ProofRecord]:
    """Carry out proofs; each record and plot goes to `directory` as ID.json and ID.png.

    Args:
        modules: id of a proof -> its module.
        settings: seeds and size.
        directory: where results go; seeds that are there are taken as they are.
        say: called with each line of progress.

    Raises:
        SteelyardError: a seed failed, or a claim asks for what no arm measured.
        FaultError: a seed did not come to its end.
    """
    proofs = {id: load(module) for id, module in modules.items()}
    seeds = {id: _seeds(proof, settings) for id, proof in proofs.items()}
    seed_jobs = [SeedJob(id, modules[id], seed, settings.quick) for id in proofs for seed in seeds[id]]
    with writing(directory, SteelyardError):
        directory.mkdir(parents=True, exist_ok=True)
    jobs = settings.jobs or os.cpu_count() or 1
    measured = dict(zip(seed_jobs, carry_out(seed_jobs, directory, jobs, say), strict=True))
    records = {}
    for id, proof in proofs.items():
        found = [one for job, one in measured.items() if job.id == id]
        records[id] = record = record_of(id, proof, found, command=command_of(id, settings), jobs=jobs)
        keep(directory / f"{id}.json", record)
        with writing(directory, SteelyardError):
            draw(record, directory / f"{id}.png")
    return records


def command_of(id: str, settings: ProofSettings) -> str:
    """The command line that proves it again."""
    words = ["steelyard", "prove", id]
    for f in fields(settings):
        value = getattr(settings, f.name)
        if value != f.default and f.name != "jobs":
            words += [f"--{f.name.replace('_', '-')}", *([] if value is True else [str(value)])]
    return " ".join(words)


def record_of(
    id: str, proof: Proof[Any, Any], measured: Sequence[SeedResult], *, command: str, jobs: int
) -> ProofRecord:
    """The judged record of a proof's seeds."""
    by_seed = {one.seed: one.arms for one in measured}
    own, control = judge_all(proof, by_seed)
    core_minutes = sum(sum(one.seconds.values()) for one in measured) / 60
    return ProofRecord(
        id=id,
        verdict=verdict_of(own, control),
        control=worst(control),
        claims=[_claim(proof, a, b) for a, b in zip(own, control, strict=True)],
        arms=_common([*by_seed.values()]),
        seeds=list(by_seed),
        quick=measured[0].quick,
        equal=proof.equal,
        criterion=proof.criterion,
        command=command,
        commit=commit(),
        date=time.strftime("%Y-%m-%d", time.gmtime()),
        machine=machine(),
        core_minutes=round(core_minutes, 2),
        minutes=round(core_minutes / min(jobs, len(measured)), 2),
        seed_commits=[one.commit for one in measured],
    )


def _seeds(proof: Proof[Any, Any], settings: ProofSettings) -> range:
    first = proof.first_seed if settings.first_seed is None else settings.first_seed
    return range(first, first + (settings.seeds or (QUICK_SEEDS if settings.quick else proof.seeds)))


def _common(seeds: Sequence[ArmMetrics]) -> dict[str, dict[str, list[float]]]:
    """Arm -> metric -> its values, of all that every seed measured."""
    return {
        arm: {
            metric: [arms[arm][metric] for arms in seeds]
            for metric in metrics
            if all(metric in arms[arm] for arms in seeds)
        }
        for arm, metrics in seeds[0].items()
        if all(arm in arms for arms in seeds)
    }


def _claim(proof: Proof[Any, Any], own: Judged, control: Judged) -> ClaimRecord:
    claim = own.claim
    return ClaimRecord(
        text=claim.text,
        metric=claim.metric,
        ours=claim.ours or proof.ours,
        baseline=claim.baseline,
        min_effect=claim.min_effect,
        lower_is_better=claim.lower_is_better,
        relative=claim.relative,
        ours_by_seed=list(own.ours),
        baseline_by_seed=list(own.baseline),
        control_by_seed=list(control.ours),
        effect=own.mean,
        interval=own.interval,
        verdict=own.verdict,
        control_effect=control.mean,
        control_verdict=control.verdict,
    )
