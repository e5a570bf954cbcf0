"""Where the evidence of proofs lies, and reading it.

docs/evidence/ID.json           the record, with every figure; in a source tree
docs/evidence/looks/ID.jsonl    every look at the verdict's seeds: date, commit, seeds, block
docs/evidence/trials/ID.jsonl   every setting that `steelyard try` tried
experiments/verdicts.json       all records without the figures seed by seed: what an installed package knows
"""

import json
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from steelyard.core import SteelyardError, require
from steelyard.experiments.harness.processes import keep, kept
from steelyard.experiments.harness.proof_record import Look, NullRate, ProofRecord, without_figures
from steelyard.runtime.run_dir.disk import writing
from steelyard.runtime.run_dir.records import commit

VERDICTS = Path(__file__).parent.parent / "verdicts.json"
ROOT = Path(__file__).parents[4]
"""Of the source tree, if this is one."""
NULL = "null.json"
"""What the null method found, beside the records."""
_DAMAGED = "prove the method again, with --publish"


class Verdicts(msgspec.Struct, frozen=True):
    """The package's file of verdicts."""

    proofs: dict[str, ProofRecord]
    null: NullRate | None = None
    """How often the test calls two identical arms shown."""


def in_source_tree() -> bool:
    """True where the package lies in its source tree."""
    return (ROOT / "pyproject.toml").is_file() and (ROOT / "docs").is_dir()


def evidence() -> Path:
    """The directory of records.

    Raises:
        SteelyardError: this is no source tree.
    """
    require(in_source_tree(), "is no source tree", where=str(ROOT), hint="leave --publish out")
    return ROOT / "docs" / "evidence"


def read(file: Path) -> ProofRecord:
    """A record that was written.

    Raises:
        SteelyardError: it is damaged.
    """
    return kept(file, ProofRecord, _DAMAGED)


def read_all(directory: Path) -> dict[str, ProofRecord]:
    """Every record of a directory of evidence, by id.

    Raises:
        SteelyardError: one is damaged.
    """
    return {file.stem: read(file) for file in sorted(directory.glob("*.json")) if file.name != NULL}


def verdicts() -> Mapping[str, ProofRecord]:
    """The records that the package carries, by id and without figures.

    Raises:
        SteelyardError: the file is damaged.
    """
    return _carried().proofs


def null_rate() -> NullRate | None:
    """How often the test calls two identical arms shown, if it was measured.

    Raises:
        SteelyardError: the file is damaged.
    """
    return _carried().null


@cache
def _carried() -> Verdicts:
    return kept(VERDICTS, Verdicts, "install steelyard anew") if VERDICTS.exists() else Verdicts({})


def write_verdicts(directory: Path) -> None:
    """Write the package's file of verdicts from the records of a directory.

    Raises:
        SteelyardError: a record is damaged, or the disk does not take the file.
    """
    null = directory / NULL
    keep(
        VERDICTS,
        Verdicts(
            {id: without_figures(record) for id, record in read_all(directory).items()},
            kept(null, NullRate, "run steelyard prove --null again") if null.exists() else None,
        ),
    )
    _carried.cache_clear()


def look_at(directory: Path, id: str, seeds: Sequence[int], block: Literal["first", "later"], claims: str) -> None:
    """Enter a look at a verdict's seeds into the directory's looks; the same look on one day is entered once.

    Raises:
        SteelyardError: the disk does not take it.
    """
    look = Look(time.strftime("%Y-%m-%d", time.gmtime()), commit(), list(seeds), block, claims)
    if look in looks(directory, id):
        return
    file = directory / "looks" / f"{id}.jsonl"
    with writing(file, SteelyardError):
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("ab") as lines:
            lines.write(msgspec.json.encode(look) + b"\n")


def looks(directory: Path, id: str) -> list[Look]:
    """Every look at a verdict's seeds that is on record.

    Raises:
        SteelyardError: the file is damaged.
    """
    return [kept_line(line, file) for file in [directory / "looks" / f"{id}.jsonl"] for line in _lines(file)]


def kept_line(line: bytes, file: Path) -> Look:
    """A look from a line of its file."""
    try:
        return msgspec.json.decode(line, type=Look)
    except msgspec.DecodeError as error:
        raise SteelyardError("is damaged", where=str(file), hint="mend the line") from error


def trials(directory: Path, id: str) -> dict[str, int] | None:
    """Arm -> how many settings were tried for it; None where nothing was kept.

    Each line of the file is a JSON object with `arm`, its `settings` and its learning `rate`, and what was measured.
    """
    lines = _lines(directory / "trials" / f"{id}.jsonl")
    tried: dict[str, set[str]] = {}
    for line in lines:
        row = json.loads(line)
        tried.setdefault(row["arm"], set()).add(json.dumps([row.get("settings"), row.get("rate")], sort_keys=True))
    return {arm: len(settings) for arm, settings in tried.items()} if lines else None


def _lines(file: Path) -> list[bytes]:
    return [line for line in file.read_bytes().splitlines() if line.strip()] if file.exists() else []
