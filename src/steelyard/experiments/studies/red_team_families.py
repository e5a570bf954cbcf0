"""Red-teaming where 64 families of sentences provoke the victim: do replay, searchers and curiosity find more of them?

All arms have as many judge calls, as many tries when they are tuned, and are measured by 1024 attacks of the last
weights, and by what anybody found in the run. Then trajectory balance with 1, 4 and 16 searchers, at equal learner
steps and at equal judge calls, and 16 on a ladder of temperatures. Claims: section 5 of Bartoldson et al. 2025,
arXiv:2503.18929; curiosity: Hong et al. 2024, arXiv:2402.19464.
"""

import itertools
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from steelyard.core import PositiveInt, checked
from steelyard.experiments.harness import study_base
from steelyard.experiments.harness.claim import Judgement, stated
from steelyard.experiments.harness.run_index import by_seed
from steelyard.experiments.harness.run_metrics import SPENT, RunMetric, final
from steelyard.experiments.harness.section import Section
from steelyard.experiments.harness.sweep import sweep
from steelyard.experiments.studies._red_team import many
from steelyard.experiments.studies._red_team.picture import draw_families
from steelyard.experiments.studies._red_team.smoothing import collected
from steelyard.policy import Policy
from steelyard.report import RunRecords
from steelyard.task.many_families import drawn

TUNING = "_tuning"
MORE = 1.25
"""How many times as many families trajectory balance is claimed to find."""
TOLERANCE = 0.02
"""Of success (a share of 1,024 attacks), where equal is asked."""
HIT = 0.5
"""Mean toxicity above which an attack succeeds."""
Found = Mapping[str, Mapping[int, RunRecords]]
"""Cell -> seed -> its run."""


@checked()
@dataclass(frozen=True)
class Study(study_base.Study):
    """Families found by every arm, and by trajectory balance with more searchers."""

    seeds: PositiveInt = 5
    """Runs of each cell."""
    steps: PositiveInt = 120
    """Learner steps of each run, of which warmup is ten."""


def measure(study: Study) -> Mapping[str, object]:
    """Tune, run the cells, print the table, judge the claims."""
    root = study_base.place("red-team-families", study.output_dir)
    sweep("red-team-families", many.tuning(study.steps), jobs=study.jobs, directory=str(root / TUNING))
    runs = many.cells(many.tuned(root / TUNING), study.steps)
    grid = study_base.grid(runs, study.seeds, study.first_seed)
    return study_base.carry_out("red-team-families", grid, section, replace(study, output_dir=str(root)))


def families_ever(run: RunRecords) -> float:
    """The families of all attacks of the run that succeeded, whoever found them; read from its replay file."""
    texts = collected(run.directory, _attacker(), HIT)
    return float(len({drawn(many.FAMILIES).family_of(text) for text in texts} - {None}))


@cache
def _attacker() -> Policy:
    """Whose words they are."""
    return Policy.load("steelyard/red-team")


MEASURES = {
    "success": RunMetric(final("eval/success")),
    "families": RunMetric(final("eval/families"), 0),
    "ever found": RunMetric(families_ever, 0),
    "diversity": RunMetric(final("eval/diversity")),
    "of successes": RunMetric(final("eval/diversity_success")),
    "judge calls": SPENT["samples"],
    "seconds": SPENT["seconds"],
}
"""What a run is measured by; the columns of the table."""


def section(root: Path) -> Section:
    """The table by cell, and the claims, from what lies in `root` alone."""
    found = by_seed(root, many.CELLS)
    values = {
        cell: {name: [one.read(run) for run in runs.values()] for name, one in MEASURES.items()}
        for cell, runs in found.items()
    }
    rows = [[cell, *(one.write(values[cell][name]) for name, one in MEASURES.items())] for cell in found]
    tried = {arm: [*many.tried(root / TUNING, arm).values()] for arm in many.ARMS}
    chosen = "; ".join(f"{arm} {one.name}" for arm, one in many.tuned(root / TUNING).items())
    return Section(
        "Red-teaming with 64 families: replay, searchers and curiosity",
        f"{TEXT} Chosen: {chosen}.",
        ["arm or searchers", *MEASURES],
        rows,
        _claims(values),
        draw=lambda path: draw_families(path, values, tried, _axes(), many.FAMILIES),
    )


Values = Mapping[str, Mapping[str, list[float]]]
"""Cell -> measure -> the value of each seed."""


def _axes() -> dict[str, dict[str, str]]:
    """Panel -> tick -> cell."""
    calls = {str(n): many.by_calls(n) for n in many.SEARCHERS}
    return {
        "searchers, equal learner steps": {str(n): many.by_steps(n) for n in many.SEARCHERS},
        "searchers, equal judge calls": calls | {f"{many.SEARCHERS[-1]}, ladder": many.ON_LADDER},
    }


def _claims(values: Values) -> list[Judgement]:
    """Stated before any cell ran."""
    rival = best_baseline(values)
    most, one = many.SEARCHERS[-1], many.SEARCHERS[0]
    better = [_times_as_many(values, arm, rival) for arm in ("TBA", "weighted TBA", "GFlowNet")]
    return [
        *better,
        _more(
            values, "curiosity", "novelty", "curiosity, with its memory, finds more families than novelty in the batch"
        ),
        _more(values, many.by_steps(most), many.by_steps(one), "16 searchers find more than one at equal steps"),
        _more(values, many.by_calls(most), many.by_calls(one), "16 searchers find more than one at equal judge calls"),
        _more(values, many.ON_LADDER, many.by_calls(most), "16 searchers on a ladder find more than 16 alike"),
    ]


def best_baseline(values: Values) -> str:
    """Of the REINFORCE-type arms the one with most families among those of enough success, or of most success."""

    def worth(arm: str) -> tuple[bool, float]:
        success, families = (_middle(values, arm, key) for key in ("success", "families"))
        return (True, families) if success >= many.ENOUGH else (False, success)

    return max(many.BASELINES, key=worth)


def _middle(values: Values, cell: str, key: str) -> float:
    return statistics.median(values[cell][key])


def _equal_success(values: Values, cell: str, other: str) -> bool:
    """Success that is higher, or lower by no more than the tolerance."""
    return _middle(values, cell, "success") >= _middle(values, other, "success") - TOLERANCE


def _times_as_many(values: Values, arm: str, rival: str) -> Judgement:
    own, other = (_middle(values, one, "families") for one in (arm, rival))
    return stated(
        f"{arm} finds at least {MORE:g} times the families of the best tuned REINFORCE-type arm, at its success or "
        f"more (tolerance {TOLERANCE:g})",
        f"against {rival}: {_beside(values, arm, rival)}",
        own >= MORE * other and _equal_success(values, arm, rival),
    )


def _more(values: Values, cell: str, other: str, text: str) -> Judgement:
    own, its = (_middle(values, one, "families") for one in (cell, other))
    return stated(
        f"{text}, at its success or more (tolerance {TOLERANCE:g})",
        _beside(values, cell, other),
        own > its and _equal_success(values, cell, other),
    )


def _beside(values: Values, cell: str, other: str) -> str:
    """Medians of both, and the families by seed: they say how sure the medians are."""
    medians = "; ".join(
        f"{key} {_middle(values, cell, key):.3g} against {_middle(values, other, key):.3g}"
        for key in ("families", "success", "ever found")
    )
    pairs = zip(values[cell]["families"], values[other]["families"], strict=True)
    return f"{medians} (families by seed: {', '.join(itertools.starmap('{:g} against {:g}'.format, pairs))})"


_RATES = ", ".join(f"{rate:g}" for rate in many.RATES)
TEXT = f"""\
`red-team` with {many.FAMILIES} families of sentences, drawn from common (one of the base attacker's sentences in 200)
to rare (one in 10,000), and a victim that is the rule of that world, not a model. An attack succeeds where the mean
toxicity of 5 replies is above 1/2. Each arm has one searcher batch of 64 attacks for each learner step. REINFORCE
learns from that batch, trajectory balance (with {many.USUAL} searchers) and GFlowNet fine-tuning from 192 attacks of
their buffers: three times the learner's work for as many judge calls. *Families* are those that 1024 attacks of the
last weights succeed with, *ever found* those that any attack of the whole run did. 16 searchers at equal steps have
more judge calls: each takes {many.SEARCH_COST:g} steps for a batch. The ladder's temperatures go from
{many.LADDER[0]:g} to {many.LADDER[1]:g}. Median [lowest, highest] over seeds.

Read with care: medians of five seeds decide, and each seed's families stand beside the claim. The families were drawn
before any arm was tried. Every arm had {len(many.RATES) * 2} tries (rates {_RATES} by two settings of its own) on
seeds {" and ".join(map(str, many.TUNING_SEEDS))}; chosen is the one with most families among those of a success of
{many.ENOUGH:g}, or else the one that succeeds most. Rings in the picture are all settings that were tried, small dots
the seeds. Novelty (weight per batch) and curiosity (weight against all earlier attacks, entropy bonus .01) are
REINFORCE with that bonus and beta .1."""
