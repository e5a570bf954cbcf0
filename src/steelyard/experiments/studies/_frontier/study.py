"""The frontier study in one world: base model, tuning, cells, table, picture and claims.

One axis at a time from one centre (lag 1, each sample used once, one searcher; inline, exact lags). A run has at least
four times as many steps as its lag. All arms are tuned on other seeds. A study goes on where it was cut short, what has
ended is not repeated, and cells that were not run are shown as such.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from steelyard.core import PositiveInt, checked, require
from steelyard.experiments.harness import study_base
from steelyard.experiments.harness.claim import Judgement, stated
from steelyard.experiments.harness.section import Section
from steelyard.experiments.harness.spread import short
from steelyard.experiments.harness.sweep import sweep
from steelyard.experiments.studies._frontier import arms, cells, picture
from steelyard.experiments.studies._frontier.found import COLUMNS, Found, middle, read
from steelyard.experiments.studies._frontier.worlds import WORLDS, Name, based

TUNING = "_tuning"


@checked()
@dataclass(frozen=True)
class Study(study_base.Study):
    """Which cells are run; by default all of them, which takes hours."""

    seeds: PositiveInt = 5
    """Runs of each cell."""
    lags: tuple[PositiveInt, ...] = cells.LAGS
    """Versions by which samples trail, of 1, 16, 64, 256 and 512; the centre, 1, is always run."""
    reuses: tuple[PositiveInt, ...] = cells.REUSES
    """How often a sample is learned from, of 1, 4 and 16."""
    searchers: tuple[PositiveInt, ...] = cells.SEARCHERS
    """Searchers at the same time, of 1, 4 and 16: alike, and on a ladder of temperatures."""

    def __post_init__(self) -> None:
        for name, known in (("lags", cells.LAGS), ("reuses", cells.REUSES), ("searchers", cells.SEARCHERS)):
            other = sorted({*getattr(self, name)} - {*known})
            hint = f"choose among {', '.join(map(str, known))}"
            require(not other, f"has {', '.join(map(str, other))}, which is no cell", where=f"--{name}", hint=hint)


@dataclass(frozen=True)
class Frontier:
    """The study of a world; a module of `studies` that has its `measure` and `section` is one."""

    name: str
    """As `steelyard study` calls it."""
    world: Name

    def measure(self, study: Study) -> Mapping[str, object]:
        """Make the base model, tune, run the cells asked for, print the table, judge the claims."""
        root = study_base.place(self.name, study.output_dir)
        base = based(root, self.world)
        sweep(self.name, arms.tuning(self.world, base), jobs=study.jobs, directory=str(root / TUNING))
        asked = cells.along(study.lags, study.reuses, study.searchers)
        runs = arms.runs_of(arms.tuned(root / TUNING, self.world), self.world, asked, base)
        grid = study_base.grid(runs, study.seeds, study.first_seed)
        return study_base.carry_out(self.name, grid, self.section, replace(study, output_dir=str(root)))

    def section(self, root: Path) -> Section:
        """The table by cell and arm, and the claims, from the runs in `root` alone."""
        found = read(root)
        every = [cells.FRESH, *cells.along()]
        run = [cell for cell in every if any((arm, cell) in found for arm in _arms(cell))]
        chosen = ", ".join(f"{arm} {_said(one)}" for arm, one in arms.tuned(root / TUNING, self.world).items())
        left = ", ".join(cell.name for cell in every if cell not in run)
        return Section(
            f"The frontier in {self.world}: score and samples by lag, reuse and searchers",
            f"{_text(self.world)} Objective and rate by tuning: {chosen}.{f' Not run: {left}.' if left else ''}",
            ["cell", "arm", *COLUMNS],
            [self._row(cell, arm, found) for cell in run for arm in _arms(cell)],
            _claims(found, self.world),
            draw=lambda path: picture.draw(path, found, self.world),
        )

    def _row(self, cell: cells.Cell, arm: str, found: Found) -> list[str]:
        runs = found.get((arm, cell), [])
        return [cell.name, arm, *(column(self.world).over(runs) if runs else "not run" for column in COLUMNS.values())]


def _text(world: Name) -> str:
    return f"""\
Learner steps of {arms.PROMPTS} x {arms.SAMPLES}, at least {cells.PATIENCE} times as many as the lag, which is exact
(inline, synchronous clock). Where a sample is used once, trajectory balance draws from its buffer and the others from
the single-use queue; where it is used again, all draw from the buffer. Accuracy is greedy, over held-out prompts. *To
score* counts the samples drawn up to the first evaluation at {WORLDS[world].enough:.0%}; *to first* those up to the
learner step before which the first right answer was found. *Distinct* are the different right answers among 16
samples."""


def _said(one: arms.Tuned) -> str:
    return f"{one.objective} {one.rate:g}"


def _arms(cell: cells.Cell) -> list[str]:
    return [arm for arm in arms.ARMS if (arm == "on-policy") == (cell == cells.FRESH)]


def _claims(found: Found, world: Name) -> list[Judgement]:
    """No loss at lag 256, a third of the anchor's samples, and what a ladder finds; of those that have their runs."""
    balance = ("tb", "weighted-tb")
    judged = [claim for arm in balance if (claim := _no_loss(found, arm, world))]
    judged += [claim for arm in balance if (claim := _sooner(found, arm, world))]
    return judged + [claim for arm in balance if (claim := _finds(found, arm, world))]


def _no_loss(found: Found, arm: str, world: Name) -> Judgement | None:
    near, far = (found.get((arm, cell), []) for cell in (cells.CENTRE, cells.Cell(lag=256)))
    if not (near and far):
        return None
    a, b = (100 * middle(runs, "accuracy", world) for runs in (near, far))
    return stated(
        f"at lag 256 {arm} loses at most 2 points of its accuracy at lag 1", f"{a:.1f} and {b:.1f} points", a - b <= 2
    )


def _sooner(found: Found, arm: str, world: Name) -> Judgement | None:
    """By the samples to the score; a score that nobody reaches is not reached sooner."""
    own, anchor = [key for key in found if key[0] == arm], found.get(("on-policy", cells.FRESH), [])
    if not (own and anchor):
        return None
    best, its = min(middle(found[key], "to score", world) for key in own), middle(anchor, "to score", world)
    return stated(
        f"in its best cell {arm} needs at most a third of the anchor's samples to score",
        f"{short(best)} against {short(its)}",
        math.isfinite(best) and 3 * best <= its,
    )


def _finds(found: Found, arm: str, world: Name) -> Judgement | None:
    """By the samples to the first right answer, before which nobody learns: one, sixteen alike, sixteen on a ladder."""
    places = (cells.CENTRE, cells.Cell(searchers=16), cells.Cell(searchers=16, ladder=True))
    groups = [found.get((arm, cell), []) for cell in places]
    if not all(groups):
        return None
    one, alike, ladder = (middle(runs, "to first", world) for runs in groups)
    return stated(
        f"{arm}: 16 searchers on a ladder of temperatures find a right answer in half of one's samples",
        f"{short(one)} samples by one, {short(alike)} by 16 alike, {short(ladder)} by 16 on the ladder",
        math.isfinite(ladder) and 2 * ladder <= one,
    )
