"""The demo, three times: `steelyard train arithmetic` with the local runtime and three seeds, one after another."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from steelyard.core import PositiveInt, checked, require
from steelyard.experiments.harness.claim import stated
from steelyard.experiments.harness.run_index import directories, ended
from steelyard.experiments.harness.run_metrics import RunMetric, final
from steelyard.experiments.harness.section import Section
from steelyard.experiments.harness.study_base import Swept, carry_out
from steelyard.recipes.arithmetic import RECIPE
from steelyard.report import RunRecords, draw_runs
from steelyard.task.arithmetic import STYLES


@checked()
@dataclass(frozen=True)
class Study:
    """Held-out accuracy before and after, and seconds to 90 %."""

    seeds: PositiveInt = 3
    """Seeds 0, 1, ..."""
    output_dir: str | None = None
    """Where the runs go; runs that ended there before are not repeated."""


def measure(study: Study) -> Mapping[str, object]:
    """Run the seeds alone on the machine, print the section."""
    runs = {f"seed{s}": replace(RECIPE, seed=s) for s in range(study.seeds)}
    return carry_out("seeds", runs, section, Swept(study.output_dir, jobs=1))


def section(root: Path) -> Section:
    """A row for each seed, and the claim: from at most 25 % to at least 90 % within a minute."""
    places = directories(root)
    runs = {place.name: ended(place) for place in places}
    require(bool(runs), "holds no runs of this study", where=str(root), hint="steelyard study seeds --output-dir there")
    results = [run.result or {} for run in runs.values()]
    seconds = [result["seconds"] for result in results]
    shown = all(r["accuracy_before"] <= 0.25 and r["accuracy_after"] >= 0.9 and r["seconds"] <= 60 for r in results)
    claim = stated(
        "from at most 25 % to at least 90 % within 60 s in every seed",
        f"{RunMetric(final('eval/accuracy')).write([r['accuracy_after'] for r in results])} "
        f"after {statistics.median(seconds):.1f} s in the median",
        shown,
    )
    return Section(
        "steelyard train arithmetic",
        TEXT,
        COLUMNS,
        [_row(name, run) for name, run in runs.items()],
        [claim],
        draw=lambda path: _draw(places, path),
    )


def _draw(places: Sequence[Path], path: Path) -> None:
    draw_runs(places, path)


def _row(name: str, run: RunRecords) -> list[str]:
    r = run.result or {}
    reached = next((row["step"] for row in run.evals if row["eval/accuracy"] >= 0.9), None)
    after = next((f"{row['seconds']:.1f}" for row in run.timing if row["step"] == reached), "never")
    return [
        name,
        f"{r['accuracy_before']:.3f}",
        f"{r['accuracy_after']:.3f}",
        "never" if reached is None else str(reached),
        after,
        f"{r['seconds']:.1f}",
        f"{r['staleness_mean']:.1f} / {r['staleness_max']}",
        f"{r['learner_idle']:.2f} / {r['searcher_idle']:.2f}",
        " / ".join(f"{run.evals[-1]['eval/correct_styles'].get(style, 0):.2f}" for style in WORKED),
    ]


WORKED = [style for style in STYLES if style != "bare"]
COLUMNS = [
    "",
    "before",
    "after",
    "90 % at step",
    "after s",
    "seconds",
    "staleness mean / max",
    "idle learner / searcher",
    " / ".join(WORKED),
]
TEXT = """\
The recipe of the demo with the local runtime: searcher, learner and evaluator in processes of their own; one seed after
the other, alone on the machine. Greedy accuracy on 256 held-out problems; idle is a share
of the time; the last column has the shares of the right answers by style."""
