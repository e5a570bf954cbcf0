"""How often, and how late, can data be used? Score, samples and diversity by lag, reuse and number of searchers.

One axis at a time from one centre (lag 1, each sample used once, one searcher; inline, exact lags), in three worlds:
trajectory balance as published and with its log Z held, the best of the corrected baselines, Dr. GRPO without
correction, and Dr. GRPO on fresh data, whose one cell is the anchor. A run has at least four times as many steps as its
lag. All arms are tuned with the same budget on other seeds. The whole study takes hours: it goes on where it was cut
short, what has ended is not repeated, and cells that were not run are shown as such.
"""

import math
from collections.abc import Mapping, Sequence
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

TITLE = "The frontier: score and samples by lag, reuse and searchers"
TUNING = "_tuning"
ENOUGH = ", ".join(f"{world.enough:.0%} ({name})" for name, world in WORLDS.items())
TEXT = f"""\
Learner steps of {arms.PROMPTS} x {arms.SAMPLES}, at least {cells.PATIENCE} times as many as the lag, which is exact
(inline, synchronous clock). Where a sample is used once, `tb` draws from its buffer and the others from the
single-use queue; where it is used again, all draw from the buffer. Accuracy is greedy, over held-out prompts. *To
score* counts the samples drawn up to the first evaluation at {ENOUGH}; *to first* those up to the first right answer.
Distinct are the different right answers among 16 samples."""


@checked()
@dataclass(frozen=True)
class Study(study_base.Study):
    """Which cells are run; by default all of them, which takes hours."""

    seeds: PositiveInt = 5
    """Runs of each cell."""
    worlds: tuple[Name, ...] = tuple(WORLDS)
    """Where."""
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


def measure(study: Study) -> Mapping[str, object]:
    """Make the base models, tune, run the cells asked for, print the table, judge the claims."""
    root = study_base.place("frontier", study.output_dir)
    bases: dict[Name, str] = {world: based(root, world) for world in study.worlds}
    sweep("frontier", arms.tuning(bases), jobs=study.jobs, directory=str(root / TUNING))
    asked = cells.along(study.lags, study.reuses, study.searchers)
    runs = {
        name: run
        for world, base in bases.items()
        for name, run in arms.runs_of(arms.tuned(root / TUNING, world), world, asked, base).items()
    }
    grid = study_base.grid(runs, study.seeds, study.first_seed)
    return study_base.carry_out("frontier", grid, section, replace(study, output_dir=str(root)))


def section(root: Path) -> Section:
    """The table by world, axis and arm, and the claims, from the runs in `root` alone."""
    found = read(root)
    every: list[tuple[Name, cells.Cell]]
    every = [(world, cell) for world in WORLDS for cell in (cells.FRESH, *cells.along())]
    run: list[tuple[Name, cells.Cell]]
    run = [(w, c) for w, c in every if any((w, arm, c) in found for arm in _arms(c))]
    worlds: list[Name] = [world for world in WORLDS if any(w == world for w, _ in run)]
    chosen = "; ".join(f"{world}: {', '.join(_chosen(root, world))}" for world in worlds)
    return Section(
        TITLE,
        f"{TEXT} Objective and rate by tuning: {chosen}.{_not_run([one for one in every if one not in run])}",
        ["world and cell", "arm", *COLUMNS],
        [_row(world, cell, arm, found) for world, cell in run for arm in _arms(cell)],
        _claims(found),
        draw=lambda path: picture.draw(path, found),
    )


def _chosen(root: Path, world: Name) -> list[str]:
    return [f"{arm} {one.objective} {one.rate:g}" for arm, one in arms.tuned(root / TUNING, world).items()]


def _not_run(left: Sequence[tuple[Name, cells.Cell]]) -> str:
    """The cells of which there is nothing, world by world."""
    by_world = {world: [cell.name for w, cell in left if w == world] for world in WORLDS}
    said = "; ".join(f"{world}: {', '.join(names)}" for world, names in by_world.items() if names)
    return f" Not run: {said}." if said else ""


def _arms(cell: cells.Cell) -> list[str]:
    return [arm for arm in arms.ARMS if (arm == "on-policy") == (cell == cells.FRESH)]


def _row(world: Name, cell: cells.Cell, arm: str, found: Found) -> list[str]:
    runs = found.get((world, arm, cell), [])
    said = [column(world).over(runs) if runs else "not run" for column in COLUMNS.values()]
    return [f"{world}, {cell.name}", arm, *said]


def _claims(found: Found) -> list[Judgement]:
    """No loss at lag 256, and a third of the anchor's samples, in each world that has the runs."""
    judged: list[Judgement] = []
    for world in WORLDS:
        near, far, anchor = (
            found.get((world, arm, cell), [])
            for arm, cell in (("tb", cells.CENTRE), ("tb", cells.Cell(lag=256)), ("on-policy", cells.FRESH))
        )
        if near and far:
            a, b = (100 * middle(runs, "accuracy", world) for runs in (near, far))
            text = f"{world}: at lag 256 trajectory balance loses at most 2 points of its accuracy at lag 1"
            judged.append(stated(text, f"{a:.1f} and {b:.1f} points", a - b <= 2))
        if near and anchor:
            best = min(middle(found[key], "to score", world) for key in found if key[:2] == (world, "tb"))
            own = middle(anchor, "to score", world)
            text = (
                f"{world}: in its best cell trajectory balance needs at most a third of the anchor's samples to score"
            )
            reached = math.isfinite(best) and 3 * best <= own
            judged.append(stated(text, f"{short(best)} against {short(own)}", reached))
        one, alike, ladder = (
            found.get((world, "tb", cell), [])
            for cell in (cells.CENTRE, cells.Cell(searchers=16), cells.Cell(searchers=16, ladder=True))
        )
        if one and alike and ladder:
            first = [middle(runs, "to first", world) for runs in (one, alike, ladder)]
            text = f"{world}: 16 searchers on a ladder of temperatures find a right answer in half of one's samples"
            measured = "{} samples by one, {} by 16 alike, {} by 16 on the ladder".format(*map(short, first))
            judged.append(stated(text, measured, math.isfinite(first[2]) and 2 * first[2] <= first[0]))
    return judged
