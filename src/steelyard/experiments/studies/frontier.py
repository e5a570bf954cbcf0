"""How often, and how late, can data be used? Score, samples and diversity by lag, reuse and number of searchers.

One axis at a time from one centre (lag 1, each sample used once, one searcher; inline, exact lags), in three worlds:
trajectory balance, the best of the corrected baselines, Dr. GRPO without correction, and Dr. GRPO on fresh data, whose
one cell is the anchor. A run has at least four times as many steps as its lag. All arms are tuned with the same budget
on other seeds. The whole study takes hours: it goes on where it was cut short, what has ended is not repeated, and
cells that were not run are shown as such.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from steelyard.core import PositiveInt, checked
from steelyard.experiments.harness import study_base
from steelyard.experiments.harness.claim import Judgement, stated
from steelyard.experiments.harness.section import Section
from steelyard.experiments.harness.sweep import sweep
from steelyard.experiments.studies._frontier import arms, cells, picture
from steelyard.experiments.studies._frontier.found import COLUMNS, Found, middle, read
from steelyard.experiments.studies._frontier.worlds import WORLDS, Name, based

TITLE = "The frontier: score and samples by lag, reuse and searchers"
TUNING = "_tuning"


@checked()
@dataclass(frozen=True)
class Study(study_base.Study):
    """Which cells are run; by default all of them, which takes hours."""

    seeds: PositiveInt = 5
    """Runs of each cell."""
    worlds: tuple[Name, ...] = tuple(WORLDS)
    """Where."""
    lags: tuple[PositiveInt, ...] = cells.LAGS
    """Versions by which samples trail; the centre, 1, is always run."""
    reuses: tuple[PositiveInt, ...] = cells.REUSES
    """How often a sample is learned from; divisors of 16."""
    searchers: tuple[PositiveInt, ...] = cells.SEARCHERS
    """Searchers at the same time: alike, and on a ladder of temperatures."""


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
    chosen = [f"{w}: {', '.join(_chosen(root, w))}" for w in WORLDS if any(cell[0] == w for cell in found)]
    return Section(
        TITLE,
        f"Learner steps of {arms.PROMPTS} x {arms.SAMPLES}, at least four times as many as the lag. The lag is exact "
        "(inline, synchronous clock). Where a sample is used once, trajectory balance draws from its buffer and the "
        "others from the single-use queue; where it is used again, all draw from the buffer. The anchor, on-policy "
        "Dr. GRPO, has one cell. Accuracy is greedy, over held-out prompts; samples to score are those drawn up to the "
        "first evaluation at " + ", ".join(f"{w.enough:.0%} ({name})" for name, w in WORLDS.items()) + ". Distinct are "
        "the different right answers of 16 samples. Objective and rate by tuning: " + "; ".join(chosen) + ".",
        ["world", "cell", "arm", *COLUMNS],
        [_row(world, cell, arm, found) for world in WORLDS for cell in _listed() for arm in _arms(cell)],
        _claims(found),
        draw=lambda path: picture.draw(path, found),
    )


def _chosen(root: Path, world: Name) -> list[str]:
    return [f"{arm} {one.objective} {one.rate:g}" for arm, one in arms.tuned(root / TUNING, world).items()]


def _listed() -> list[cells.Cell]:
    return [cells.FRESH, *cells.along()]


def _arms(cell: cells.Cell) -> list[str]:
    return [arm for arm in arms.ARMS if (arm == "on-policy") == (cell == cells.FRESH)]


def _row(world: Name, cell: cells.Cell, arm: str, found: Found) -> list[str]:
    runs = found.get((world, arm, cell), [])
    said = [column(world).over(runs) if runs else "not run" for column in COLUMNS.values()]
    return [world, cell.label.replace("-", ", "), arm, *said]


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
            judged.append(stated(text, f"{best:,.0f} against {own:,.0f}", 3 * best <= own))
        one, alike, ladder = (
            found.get((world, "tb", cell), [])
            for cell in (cells.CENTRE, cells.Cell(searchers=16), cells.Cell(searchers=16, ladder=True))
        )
        if one and alike and ladder:
            first = [middle(runs, "to first", world) for runs in (one, alike, ladder)]
            text = f"{world}: 16 searchers on a ladder of temperatures find a right answer in half of one's samples"
            measured = "{:,.0f} samples by one, {:,.0f} by 16 alike, {:,.0f} by 16 on the ladder".format(*first)
            judged.append(stated(text, measured, 2 * first[2] <= first[0]))
    return judged
