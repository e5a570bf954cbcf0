"""What a proof found, as it is kept: every figure, the criterion it was judged by, and where and when.

The package carries the record of each published proof (`steelyard prove --publish` writes them), which is where the
catalogue reads verdicts.
"""

from functools import cache
from pathlib import Path

import msgspec

from steelyard.core import require
from steelyard.experiments.harness.processes import kept
from steelyard.experiments.harness.spread import figures

RECORDS = Path(__file__).parent.parent / "proofs" / "records"
LEAST_SEEDS = 3


class ClaimRecord(msgspec.Struct, frozen=True):
    """One claim, judged."""

    text: str
    metric: str
    ours: str
    baseline: str | float
    min_effect: float = msgspec.field(name="least")  # as files have it since the first of them
    lower_is_better: bool
    relative: bool
    ours_by_seed: list[float]
    baseline_by_seed: list[float]
    control_by_seed: list[float]
    effect: float
    """The mean over seeds."""
    interval: tuple[float, float] | None
    """Of that, 90 %."""
    verdict: str
    control_effect: float
    control_verdict: str


class ProofRecord(msgspec.Struct, frozen=True):
    """A proof, carried out."""

    id: str
    verdict: str
    control: str
    """The verdict with the method switched off, which should be "not shown"."""
    claims: list[ClaimRecord]
    arms: dict[str, dict[str, list[float]]]
    """Arm -> metric -> its value at each seed, of what every seed measured."""
    seeds: list[int]
    quick: bool
    equal: str
    criterion: str
    """Digest of the claims."""
    command: str
    commit: str | None
    """Of the source tree when it was judged; its seeds may have been measured before."""
    date: str
    machine: str
    core_minutes: float
    """What measuring took, on one core."""
    minutes: float
    """On all cores that were used."""
    seed_commits: list[str | None] = []
    """Of the source tree when each seed was measured, None where that is not known; empty in old records."""


def read(file: Path) -> ProofRecord:
    """A record that was written.

    Raises:
        SteelyardError: it is damaged.
    """
    return kept(file, ProofRecord, "prove the method again")


@cache
def published(id: str) -> ProofRecord | None:
    """The package's record of a method's proof, if it was published."""
    file = RECORDS / f"{id}.json"
    return read(file) if file.exists() else None


def verdict_of(id: str) -> str | None:
    """The published verdict, if there is one."""
    record = published(id)
    return record.verdict if record else None


def effect_of(claim: ClaimRecord) -> str:
    """The effect with its interval, and what was claimed."""
    write = _percent if claim.relative else figures(3)
    unit = " %" if claim.relative else ""
    between = "" if claim.interval is None else f" [{', '.join(map(write, claim.interval))}]"
    return f"{write(claim.effect)}{between}{unit}, claimed {write(claim.min_effect)}{unit}"


def _percent(value: float) -> str:
    return figures(3)(100 * value)


def check_publishable(record: ProofRecord, first_seed: int, seeds: int = LEAST_SEEDS) -> None:
    """Refuse what must not be published.

    Raises:
        SteelyardError: a quick run, too few seeds, other seeds than the proof's, or a criterion that changed under
            seeds that have been seen.
    """
    where = f"--publish of {record.id}"
    require(not record.quick, "it was a quick run", where=where, hint="leave --quick out")
    num = len(record.seeds)
    require(num >= seeds, f"it has {num} seeds", where=where, hint=f"use --seeds {seeds} or more")
    own = list(range(first_seed, first_seed + num))
    require(record.seeds == own, f"its seeds are {record.seeds}", where=where, hint="leave --first-seed out")
    held = published(record.id)
    if held is not None and held.criterion != record.criterion:
        seen = sorted({*held.seeds} & {*record.seeds})
        require(
            not seen,
            f"the criterion has changed, and seeds {seen} were seen under the old one",
            where=where,
            hint="raise first_seed in the proof, and say so in docs/lab-notes.md",
        )
