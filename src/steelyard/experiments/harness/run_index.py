"""The runs of a study, read back from its directory, where each lies under its label: ARM-seedN."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from steelyard.core import SteelyardError, require
from steelyard.report import RunRecords, read_run

_HINT = "begin the study again with the same --output-dir: what has ended is not repeated"


def directories(root: Path) -> list[Path]:
    """The run directories of a study, sorted; what a study prepares for its runs is named _NAME and is none."""
    return sorted(path.parent for path in root.glob("[!_.]*/config.json"))


def ended(directory: Path) -> RunRecords:
    """The records of a run that has reached its end.

    Raises:
        SteelyardError: it has not, is missing, or is damaged.
    """
    require(directory.is_dir(), "is missing", where=str(directory), hint=_HINT)
    records = read_run(directory)
    require(records.result is not None, "has not reached its end", where=str(directory), hint=_HINT)
    return records


def label(arm: str, seed: int) -> str:
    """The directory of a run: what is no letter, digit, dot or dash becomes a dash."""
    return f"{re.sub(r'[^A-Za-z0-9.]+', '-', arm)}-seed{seed}"


def by_seed(root: Path, arms: Iterable[str]) -> Mapping[str, Mapping[int, RunRecords]]:
    """Arm -> seed -> records, of the seeds that lie there: the same for every arm.

    Raises:
        SteelyardError: there is no run, or one is missing, unfinished or damaged.
    """
    found = [re.fullmatch(r".+-seed(\d+)", path.name) for path in directories(root)]
    seeds = sorted({int(match[1]) for match in found if match})
    if not seeds:
        raise SteelyardError("holds no runs of this study", where=str(root), hint=_HINT)
    return {arm: {seed: ended(root / label(arm, seed)) for seed in seeds} for arm in arms}
