"""Wall-clock: seconds to 80 % of the asynchronous run, against the synchronous run on the same two cores.

The measuring is that of `steelyard bench asynchrony`, whose docstring says how; its record is kept in the study's
directory, or is copied there with --record, so that nothing is measured twice. Source of the claim: Bartoldson et al.
2025, arXiv:2503.18929, whose speed-ups are on four GPUs.
"""

import shutil
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from steelyard.core import PositiveInt, SteelyardError, checked, require
from steelyard.experiments.bench import asynchrony, record
from steelyard.experiments.harness.claim import Judgement, stated
from steelyard.experiments.harness.figure import save_figure
from steelyard.experiments.harness.section import Section
from steelyard.experiments.harness.spread import fixed, spread
from steelyard.experiments.harness.study_base import place, tell
from steelyard.runtime.run_dir.disk import writing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RECORD = "asynchrony.json"
ONE = "sync"
TWO = "sync, 2 threads"
LOCAL = "local, 1 searcher"
SHARED = "local, 4 searchers"
DEARER = 4
BOUND = 0.83
BOUND_DEARER = 0.4
PAPER = [
    ["task", "TBA against", "faster"],
    ["GSM8K, RhoMath-1B, 4 A100", "VinePPO (82 min against an estimated 68.6 h)", "50 x"],
    ["GSM8K, RhoMath-1B, 4 A100", "asynchronous online DPO", "1.5 x"],
    ["TL;DR, Pythia 410M, 4 A100", "asynchronous online DPO", "about 5 x"],
]
Seconds = Mapping[tuple[int, str], Mapping[int, float | None]]
"""(cost of generation, system) -> seed -> seconds to 80 %, None where it was never reached."""


@checked()
@dataclass(frozen=True)
class Study:
    """Seconds to a fixed held-out score, asynchronous against synchronous."""

    runs: PositiveInt = 5
    """Runs of each system at each cost, with seeds 100, 101, ..."""
    output_dir: str | None = None
    """Where the record goes; one that is there is taken as it is."""
    record: str | None = None
    """The record that `steelyard bench asynchrony` kept, to be taken instead of measuring again."""


def measure(study: Study) -> Mapping[str, object]:
    """Measure, or read an earlier record; print the table and judge the claims."""
    root = place("wall-clock", study.output_dir)
    if study.record is not None:
        record.read(Path(study.record))
        with writing(root, SteelyardError):
            root.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(study.record, root / RECORD)
    else:
        settings = asynchrony.Asynchrony(runs=study.runs)
        record.carry_out(asynchrony, settings, root, lambda text: print(f"  {text}", file=sys.stderr, flush=True))
    return tell(root, section(root))


def section(root: Path) -> Section:
    """The bench's table and the claims, from the record in `root` alone."""
    file = root / RECORD
    require(file.is_file(), "is missing", where=str(file), hint="run steelyard study wall-clock --output-dir there")
    kept = record.read(file)
    taken: dict[tuple[int, str], dict[int, float | None]] = {}
    for row in kept.rows:
        taken.setdefault((row["cost"], row["system"]), {})[row["seed"]] = row["seconds_to_80"]
    columns, lines = asynchrony.table(kept.rows)
    return Section(
        "Wall-clock: asynchronous against synchronous",
        f"`arithmetic` to 80 % held-out accuracy, {kept.settings['runs']} seeds from 100 on; `{kept.command}` on "
        f"{kept.date}, {kept.machine}. Each run is alone on the machine. Where generation is dearer a searcher sleeps "
        "for the rest, as if it ran elsewhere; the synchronous loop then computes with one thread. Ratios are taken "
        "seed by seed.",
        columns,
        lines,
        [_beside(taken), _dearer(taken)],
        PAPER,
        lambda path: _draw(path, taken),
    )


def _beside(taken: Seconds) -> Judgement:
    """On two cores: against the synchronous loop with as many threads."""
    ratios, alone = (_ratios(taken[1, LOCAL], taken[1, sync]) for sync in (TWO, ONE))
    return stated(
        f"on 2 cores in at most {BOUND:g} of the time of a synchronous loop with 2 threads",
        f"{_ratio(ratios)} ({_ratio(alone)} of one with 1 thread)",
        _within(ratios, BOUND, taken[1, LOCAL]),
    )


def _dearer(taken: Seconds) -> Judgement:
    """Generation several times dearer, shared by four searchers."""
    own = taken[DEARER, SHARED]
    sync = taken[DEARER, ONE]
    ratios = _ratios(own, sync)
    saved = {s: None if (a := taken[1, ONE][s]) is None or (b := taken[1, TWO][s]) is None else a - b for s in sync}
    quicker = {s: None if t is None or (gain := saved[s]) is None else t - gain for s, t in sync.items()}
    return stated(
        f"where generation is {DEARER} times dearer and 4 searchers share it, in at most {BOUND_DEARER:g}",
        f"{_ratio(ratios)} of a loop with 1 thread ({_ratio(_ratios(own, quicker))} if a second thread saved as much "
        "as it does at 1 x; not measured)",
        _within(ratios, BOUND_DEARER, own),
    )


def _ratios(above: Mapping[int, float | None], below: Mapping[int, float | None]) -> list[float]:
    """Seed by seed; one that either missed is left out."""
    return [a / b for seed, a in above.items() if a is not None and (b := below.get(seed)) is not None]


def _within(ratios: Sequence[float], bound: float, runs: Mapping[int, float | None]) -> bool:
    """The median is, and every asynchronous run reached the score."""
    return None not in runs.values() and bool(ratios) and statistics.median(ratios) <= bound


def _ratio(values: Sequence[float]) -> str:
    return spread(values, fixed(2))


def _draw(path: Path, taken: Seconds) -> None:
    """Seconds to 80 % over the cost of generation: the median, and each seed."""

    def fill(figure: "Figure") -> None:
        ax = figure.subplots()
        for system, color in ((ONE, "#D55E00"), (TWO, "#E69F00"), (LOCAL, "#0072B2"), (SHARED, "#009E73")):
            reached = {
                cost: [s for s in by.values() if s is not None] for (cost, name), by in taken.items() if name == system
            }
            costs = [cost for cost, seconds in reached.items() if seconds]
            ax.plot(
                costs,
                [statistics.median(reached[c]) for c in costs],
                color=color,
                label=system,
                marker="o",
                markersize=4,
            )
            for cost in costs:
                ax.scatter([cost] * len(reached[cost]), reached[cost], color=color, s=12, alpha=0.5)
        ax.set(
            xlabel="cost of generation (batches of this machine)",
            ylabel="seconds to 80 %",
            xscale="log",
            ylim=(0, None),
        )
        ticks = sorted({cost for cost, _ in taken})
        ax.set_xticks(ticks, [f"{cost} x" for cost in ticks])
        ax.minorticks_off()
        ax.legend(fontsize=8.5)

    save_figure(path, fill, (6.4, 3.6))
