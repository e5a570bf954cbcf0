"""What a proof found, as it is kept: every figure, the criterion it was judged by, and where and when.

The package carries the record of each published proof (`steelyard prove --publish` writes them), which is where the
catalogue reads verdicts.
"""

import statistics
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import msgspec

from steelyard.core import SteelyardError, require

RECORDS = Path(__file__).parent.parent / "proofs" / "records"
LEAST_SEEDS = 3


class ClaimRecord(msgspec.Struct, frozen=True):
    """One claim, judged."""

    text: str
    metric: str
    ours: str
    baseline: str | float
    least: float
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


class Record(msgspec.Struct, frozen=True):
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


def read(file: Path) -> Record:
    """A record that was written.

    Raises:
        SteelyardError: it is damaged.
    """
    try:
        return msgspec.json.decode(file.read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError) as error:
        raise SteelyardError("is damaged", where=str(file), hint="prove the method again") from error


@cache
def published(id: str) -> Record | None:
    """The package's record of a method's proof, if it was published."""
    file = RECORDS / f"{id}.json"
    return read(file) if file.exists() else None


def verdict_of(id: str) -> str | None:
    """The published verdict, if there is one."""
    record = published(id)
    return record.verdict if record else None


def spread(values: Sequence[float]) -> str:
    """`median [lowest, highest]` in three figures."""
    shown = [f"{value:.3g}" for value in (statistics.median(values), min(values), max(values))]
    return shown[0] if min(values) == max(values) else f"{shown[0]} [{shown[1]}, {shown[2]}]"


def effect_of(claim: ClaimRecord) -> str:
    """The effect with its interval, and what was claimed."""
    scale, unit = (100, " %") if claim.relative else (1, "")
    between = "" if claim.interval is None else f" [{', '.join(f'{scale * end:.3g}' for end in claim.interval)}]"
    return f"{scale * claim.effect:.3g}{between}{unit}, claimed {scale * claim.least:.3g}{unit}"


def check_publishable(record: Record, first_seed: int, seeds: int = LEAST_SEEDS) -> None:
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
