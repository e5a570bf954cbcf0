"""The arms of the study `red-team-families` as runs, how they are tuned, and the cells of its searchers' axes.

Every arm has the same number of tries, its two settings of its own by three rates, on two seeds that no cell has. What
is chosen finds the most families among those of enough success; where none has enough, it succeeds most often.
"""

import itertools
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from steelyard.core import WarmupStableDecay
from steelyard.experiments.harness.run_index import ended, label
from steelyard.experiments.harness.run_metrics import final
from steelyard.learner import Adam
from steelyard.objective import LearnedZTB, Reinforce, WeightedTB
from steelyard.recipes import load
from steelyard.runtime import Run, VirtualClock
from steelyard.task import RedTeam

FAMILIES = 64
RATES = (1.5e-3, 3e-3, 6e-3)
TUNING_SEEDS = (900, 901)
ENOUGH = 0.8
"""The success that a tuned arm is to have."""
SEARCHERS = (1, 4, 16)
USUAL = 4
"""Searchers of trajectory balance where nothing is said of them."""
SEARCH_COST = 8.0
"""Virtual time of a searcher's batch, in learner steps, where the learner's steps are fixed."""
LADDER = (1.0, 2.0)
"""Temperatures of the first and the last searcher of a ladder."""
_BETAS = (0.07, 0.04)


def _world(run: Run, **task: float) -> Run:
    assert isinstance(run.task, RedTeam)
    return replace(run, task=replace(run.task, families=FAMILIES, victim="rule", **task))


def _several(run: Run, searchers: int = USUAL) -> Run:
    """As many judge calls as with one searcher: each takes so much longer for its batch."""
    return replace(run, num_searchers=searchers, inline=VirtualClock(search_cost=float(searchers)))


_TBA = _several(_world(load("red-team")))
_GFN = _world(load("red-team-gfn"))
_PLAIN, _NOVELTY, _CURIOSITY = (_world(load(f"red-team-{name}")) for name in ("reinforce", "novelty", "curiosity"))
CANDIDATES: Mapping[str, Mapping[str, Run]] = {
    "TBA": {f"beta {b:g}": replace(_TBA, beta_final=b) for b in _BETAS},
    "weighted TBA": {f"beta {b:g}": replace(_TBA, objective=WeightedTB(beta=0.3), beta_final=b) for b in _BETAS},
    "GFlowNet": {
        f"b {b:g}": replace(_GFN, objective=LearnedZTB(beta=2 * b, reference_beta=b), beta_final=b) for b in _BETAS
    },
    "REINFORCE": {f"beta {b:g}": replace(_PLAIN, objective=Reinforce(beta=b)) for b in (0.2, 0.1)},
    "novelty": {f"weight {w:g}": _world(_NOVELTY, novelty=w) for w in (1.0, 2.0)},
    "curiosity": {f"weight {w:g}": _world(_CURIOSITY, curiosity=w) for w in (1.0, 2.0)},
}
"""Arm -> its setting -> the run, but for rate and steps."""
ARMS = tuple(CANDIDATES)
BASELINES = ("REINFORCE", "novelty", "curiosity")


@dataclass(frozen=True)
class Setting:
    """What is tuned."""

    own: str
    """Of `CANDIDATES`."""
    rate: float

    @property
    def name(self) -> str:
        """In words."""
        return f"{self.own}, rate {self.rate:g}"


def settings(arm: str) -> list[Setting]:
    """All that an arm may have."""
    return [Setting(own, rate) for own, rate in itertools.product(CANDIDATES[arm], RATES)]


def run_of(arm: str, setting: Setting, steps: int) -> Run:
    """An arm's run: as many searcher batches as learner steps, each of 64 attacks."""
    run = CANDIDATES[arm][setting.own]
    schedule = WarmupStableDecay(warmup=10, stable=steps // 2, decay=steps - steps // 2 - 10)
    return replace(
        run,
        runtime="inline",
        max_steps=steps,
        save_steps=0,
        learning_rate=setting.rate,
        optimizer=Adam(beta2=0.98, schedule=schedule),
        beta_steps=0 if run.beta_final is None else steps // 2,
        evaluation=replace(run.evaluation, every=steps),
    )


def tuning(steps: int) -> dict[str, Run]:
    """The runs that settings are chosen by."""
    return {
        label(f"{arm} {setting.name}", seed): replace(run_of(arm, setting, steps), seed=seed)
        for seed, arm in itertools.product(TUNING_SEEDS, ARMS)
        for setting in settings(arm)
    }


def tuned(root: Path) -> dict[str, Setting]:
    """What tuning chose, by arm, read from its runs in `root`.

    Raises:
        SteelyardError: a run of the tuning is missing, unfinished or damaged.
    """
    return {arm: max(settings(arm), key=lambda one, arm=arm: _worth(root, arm, one)) for arm in ARMS}


def tried(root: Path, arm: str) -> dict[Setting, tuple[float, float]]:
    """The success and the families of each setting of an arm, the mean over the seeds of the tuning."""
    return {one: _found(root, arm, one) for one in settings(arm)}


def _found(root: Path, arm: str, setting: Setting) -> tuple[float, float]:
    runs = [ended(root / label(f"{arm} {setting.name}", seed)) for seed in TUNING_SEEDS]
    success, families = (statistics.fmean(map(final(f"eval/{key}"), runs)) for key in ("success", "families"))
    return success, families


def _worth(root: Path, arm: str, setting: Setting) -> tuple[bool, float]:
    """Success comes first up to `ENOUGH`, then the families."""
    success, families = _found(root, arm, setting)
    return (True, families) if success >= ENOUGH else (False, success)


def by_steps(searchers: int) -> str:
    """The cell in which the learner's steps are fixed and searchers add judge calls."""
    return f"TBA, {searchers} at equal steps"


def by_calls(searchers: int) -> str:
    """The cell in which searchers share the judge calls; the usual number is the arm."""
    return "TBA" if searchers == USUAL else f"TBA, {searchers} at equal calls"


ON_LADDER = f"TBA, {SEARCHERS[-1]} on a ladder, equal calls"


def cells(chosen: Mapping[str, Setting], steps: int) -> dict[str, Run]:
    """Every arm as tuned, and trajectory balance along the axes, by the first part of the run's label."""
    arms = {arm: run_of(arm, setting, steps) for arm, setting in chosen.items()}
    base = arms["TBA"]
    fixed = replace(base, inline=VirtualClock(search_cost=SEARCH_COST))
    return arms | {
        **{by_steps(n): replace(fixed, num_searchers=n) for n in SEARCHERS},
        **{by_calls(n): _several(base, n) for n in SEARCHERS if n != USUAL},
        ON_LADDER: replace(_several(base, SEARCHERS[-1]), search_ladder=LADDER),
    }


CELLS = (*ARMS, *map(by_steps, SEARCHERS), *(by_calls(n) for n in SEARCHERS if n != USUAL), ON_LADDER)
"""The names of all cells."""
