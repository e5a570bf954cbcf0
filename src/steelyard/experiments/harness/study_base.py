"""What the studies share: a grid of runs, arm by seed, that is carried out, read back and printed.

A module of `experiments.studies` has `Study`, the fields of its command; `measure(study)`, which carries out what has
not ended yet, prints, and returns what `tell` does; and `section(root)`, which reads it all back (see `section`).
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from steelyard.core import PositiveInt, Seed, checked
from steelyard.experiments.harness.processes import Jobs
from steelyard.experiments.harness.run_index import label
from steelyard.experiments.harness.section import Section
from steelyard.experiments.harness.sweep import sweep
from steelyard.runtime import Run


@checked()
@dataclass(frozen=True)
class Swept:
    """How a study's runs are carried out; a study whose seeds begin at 0 starts from this."""

    output_dir: str | None = None
    """Where the runs go; runs that ended there before are not repeated."""
    jobs: Jobs = 0
    """Runs at a time; 0 for one per core."""


@checked()
@dataclass(frozen=True)
class Study(Swept):
    """And with which seeds: what most studies ask."""

    seeds: PositiveInt = 3
    """Runs of each arm."""
    first_seed: Seed = 0
    """Seeds first_seed, first_seed + 1, ..."""


PICTURE = "picture.png"


def grid(arms: Mapping[str, Run], seeds: int, first_seed: int = 0) -> dict[str, Run]:
    """Each arm with each of so many seeds, by the label of its directory; seed after seed, so all arms come along."""
    chosen = range(first_seed, first_seed + seeds)
    return {label(arm, seed): replace(run, seed=seed) for seed in chosen for arm, run in arms.items()}


def carry_out(
    name: str, runs: Mapping[str, Run], section: Callable[[Path], Section], study: Swept
) -> Mapping[str, object]:
    """Run what has not ended, read the section back, `tell` it.

    Args:
        name: of the study.
        runs: label -> settings, as from `grid`.
        section: reads a study's directory.
        study: where, and how many at a time.

    Raises:
        SteelyardError: as `sweep`, and as `section`.
    """
    root = place(name, study.output_dir)
    sweep(name, runs, jobs=study.jobs, directory=str(root))
    return tell(root, section(root))


def place(name: str, output_dir: str | None) -> Path:
    """The directory of a study: the one asked for, or runs/study-NAME-TIME."""
    return Path(output_dir or f"runs/study-{name}-{time.strftime('%Y%m%d-%H%M%S')}")


def tell(root: Path, found: Section) -> Mapping[str, object]:
    """Print a section, draw its picture into the study's directory, and give what `steelyard study` reports."""
    found.print()
    if found.draw is not None:
        found.draw(root / PICTURE)
        print(f"picture: {root / PICTURE}")
    return {"output_dir": str(root), "rows": found.rows, "shown": found.shown}
