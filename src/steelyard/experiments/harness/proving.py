"""Proofs from first seed to record: measured side by side, judged, drawn and kept.

The first block of every proof is measured, then the later block of those that it shows.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from steelyard.core import PositiveInt, Seed, SteelyardError, checked
from steelyard.experiments.harness import evidence
from steelyard.experiments.harness.criterion import claims_digest, measure_digest
from steelyard.experiments.harness.processes import Jobs, keep
from steelyard.experiments.harness.proof import FIRST_TRIAL_SEED, AnyProof
from steelyard.experiments.harness.proof_block import block_of, claims_of, scale_of
from steelyard.experiments.harness.proof_index import load
from steelyard.experiments.harness.proof_plot import draw
from steelyard.experiments.harness.proof_record import Block, CodeUsed, ProofRecord
from steelyard.experiments.harness.proof_seed import SeedJob, SeedResult, carry_out
from steelyard.runtime.run_dir.disk import writing
from steelyard.worlds import code_reached

QUICK_SEEDS = 2
Say = Callable[[str], None]


@checked()
@dataclass(frozen=True)
class ProofSettings:
    """How proofs are carried out."""

    seeds: PositiveInt | None = None
    """How many in a block; by default the proof's own number, 3 in most, or 2 for a quick run."""
    first_seed: Seed | None = None
    """The first of them; by default the proof's own, and 900 for a quick run. One block alone is then measured."""
    quick: bool = False
    """Smaller, under a minute: says whether the direction agrees, and gives no verdict."""
    jobs: Jobs = 0
    """Arms at a time; 0 for one per core."""

    @property
    def at_a_time(self) -> int:
        """Arms that are measured side by side."""
        return self.jobs or os.cpu_count() or 1

    @property
    def one_block(self) -> bool:
        """True where nothing is replicated: seeds of one's own, or a quick run."""
        return self.quick or self.first_seed is not None

    def block(self, proof: AnyProof, later: bool) -> range:
        """The seeds of a proof's first block or later one."""
        num = self.seeds or (QUICK_SEEDS if self.quick else proof.seeds)
        start = self.first_seed
        if start is None:
            start = FIRST_TRIAL_SEED if self.quick else proof.first_seed
        if later:
            start += max(num, proof.seeds)  # never a seed of the proof's own first block
        return range(start, start + num)


def prove(modules: Mapping[str, str], settings: ProofSettings, directory: Path, say: Say) -> dict[str, ProofRecord]:
    """Carry out proofs; each record and plot goes to `directory` as ID.json and ID.svg.

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
    with writing(directory, SteelyardError):
        directory.mkdir(parents=True, exist_ok=True)
    results = _measured(modules, proofs, settings, directory, say, later=False)
    first = _judged(proofs, results, settings)
    shown = {id: module for id, module in modules.items() if first[id].verdict == "shown" and not settings.one_block}
    if shown:
        say(f"shown on the first block, now the later one: {', '.join(shown)}")
    again = _measured(shown, proofs, settings, directory, say, later=True)
    later = _judged(proofs, again, settings)
    records = {}
    for id, proof in proofs.items():
        looks = evidence.looks(_place(modules[id], directory), id)
        records[id] = record = ProofRecord(
            id=id,
            equal=proof.equal,
            claims=claims_of(proof),
            claims_digest=claims_digest(proof),
            measure_digest=measure_digest(proof),
            command=command_of(id, settings),
            first=first[id],
            later=later.get(id),
            quick=settings.quick,
            scale=scale_of(first[id]),
            looks=looks,
            code=_code_of([*results[id], *again.get(id, ())]),
        )
        keep(directory / f"{id}.json", record)
        with writing(directory, SteelyardError):
            draw(record, directory / f"{id}.svg")
    return records


def command_of(id: str, settings: ProofSettings) -> str:
    """The command line that proves it again."""
    words = ["steelyard", "prove", id]
    for f in fields(settings):
        value = getattr(settings, f.name)
        if value != f.default and f.name != "jobs":
            words += [f"--{f.name.replace('_', '-')}", *([] if value is True else [str(value)])]
    return " ".join(words)


def _measured(
    modules: Mapping[str, str],
    proofs: Mapping[str, AnyProof],
    settings: ProofSettings,
    directory: Path,
    say: Say,
    *,
    later: bool,
) -> dict[str, list[SeedResult]]:
    """One block of each of these proofs, all their seeds side by side."""
    asked = []
    for id, module in modules.items():
        seeds = settings.block(proofs[id], later)
        if not settings.quick:
            _enter_look(id, proofs[id], seeds, _place(module, directory))
        asked += [SeedJob(id, module, seed, settings.quick) for seed in seeds]
    by_id: dict[str, list[SeedResult]] = {id: [] for id in modules}
    for job, result in zip(asked, carry_out(asked, directory, settings.at_a_time, say), strict=True):
        by_id[job.id].append(result)
    return by_id


def _judged(
    proofs: Mapping[str, AnyProof], results: Mapping[str, Sequence[SeedResult]], settings: ProofSettings
) -> dict[str, Block]:
    return {id: block_of(proofs[id], found, jobs=settings.at_a_time) for id, found in results.items()}


def _code_of(results: Sequence[SeedResult]) -> CodeUsed:
    """What measured these seeds."""
    files = {name: digest for one in results for name, digest in one.sources.items()}
    return CodeUsed(dict(sorted(files.items())), code_reached.versions())


def _place(module: str, directory: Path) -> Path:
    """Where looks at a proof's seeds are kept: with the evidence, for a proof of the package in its source tree."""
    own = module.startswith("steelyard.") and evidence.in_source_tree()
    return evidence.evidence() if own else directory


def _enter_look(id: str, proof: AnyProof, seeds: Sequence[int], place: Path) -> None:
    """Enter a look at the verdict's seeds, before anything is seen; other seeds are free to look at."""
    for later in (False, True):
        if {*seeds} & {*proof.block(later)}:
            evidence.look_at(place, id, seeds, "later" if later else "first", claims_digest(proof))
            return
