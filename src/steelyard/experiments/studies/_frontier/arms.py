"""The arms of the frontier study, as runs, and how they are tuned.

    tb             trajectory balance as published, from its replay buffer
    held-z         the best of the ways to hold its log Z on late data, each tuned as the others are
    corrected      the best of the objectives that correct for old data, each tuned as the others are
    uncorrected    Dr. GRPO without importance ratio: old data is taken as if it were fresh
    on-policy      Dr. GRPO on fresh data: the anchor, which no axis moves

Where each sample is learned from once, all but `tb` take it from the single-use queue; where it is
learned from again, all draw from the buffer. Every arm has one learning rate for each world: the best of `RATES` at lag
64 (on-policy: at lag 0) over two seeds that no cell has. An arm of `CHOSEN` takes its objective in the same runs, so it
has more tries than the others, and the corrected one most; that favours it.
"""

import itertools
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from steelyard.core import WarmupStableDecay
from steelyard.experiments.harness.run_index import ended, label
from steelyard.experiments.harness.run_metrics import late
from steelyard.experiments.studies._frontier.cells import FRESH, PATIENCE, Cell
from steelyard.experiments.studies._frontier.worlds import WORLDS, Name
from steelyard.learner import Adam
from steelyard.objective import (
    CISPO,
    GRPO,
    GSPO,
    M2PO,
    TIS,
    VCPO,
    AnchoredTB,
    AsymmetricReinforce,
    DrGRPO,
    IcePop,
    LearnedZTB,
    Objective,
    TBAPrime,
    VarGradTB,
)
from steelyard.replay import PrioritizedReplay, SingleUse
from steelyard.runtime import HeldOut, Run, VirtualClock

PROMPTS = 16
SAMPLES = 8
LADDER = (1.0, 3.0)
"""Temperatures of the first and the last searcher; one alone has the first, which is the policy's."""
TUNED_AT = Cell(lag=64)
RATES = (1e-4, 3e-4, 1e-3)
TUNING_SEEDS = (900, 901)
SCORE = late("eval/accuracy")
"""What rates and objectives are chosen by: held-out accuracy in the last third of the steps."""
BETA = 0.1
"""Of every form of trajectory balance: distance from the reference against reward."""
CHOSEN: Mapping[str, Mapping[str, Objective]] = {
    "held-z": {"anchored-tb": AnchoredTB(beta=BETA), "learned-z-tb": LearnedZTB(beta=BETA)},
    "corrected": {
        "asymmetric-reinforce": AsymmetricReinforce(),
        "grpo": GRPO(),
        "cispo": CISPO(),
        "gspo": GSPO(),
        "icepop": IcePop(),
        "m2po": M2PO(),
        "tba-prime": TBAPrime(beta=BETA),
        "tis": TIS(),
        "vcpo": VCPO(),
    },
}
"""Arm -> the objectives that tuning chooses among."""
GIVEN: Mapping[str, Objective] = {
    "tb": VarGradTB(beta=BETA),
    "uncorrected": DrGRPO(importance_ratio=False),
    "on-policy": DrGRPO(),
}
"""Arm -> its objective."""
ARMS = ("tb", "held-z", "corrected", "uncorrected", "on-policy")
"""As they stand in the table."""
TRIED: Mapping[str, Objective] = {**GIVEN, **{name: one for some in CHOSEN.values() for name, one in some.items()}}
"""All that are tuned."""


@dataclass(frozen=True)
class Tuned:
    """What tuning chose for an arm in a world."""

    objective: str
    rate: float


def objective_of(arm: str, world: Name) -> Objective:
    """The objective of an arm or of a candidate; where it divides by a constant length, the world's longest one."""
    found = TRIED[arm]
    return replace(found, max_length=WORLDS[world].longest) if isinstance(found, DrGRPO | TIS) else found


def run_of(arm: str, world: Name, cell: Cell, rate: float, base: str) -> Run:
    """An arm in a cell.

    Args:
        arm: one of `TRIED`.
        world: where it learns.
        cell: under which conditions; the on-policy arm has those of `FRESH`.
        rate: learning rate.
        base: directory of the world's base model.
    """
    here = FRESH if arm == "on-policy" else cell
    steps = max(WORLDS[world].steps, PATIENCE * here.lag)
    again = here.reuse > 1 or arm == "tb"
    return Run(
        task=WORLDS[world].task,
        objective=objective_of(arm, world),
        model=base,
        replay=PrioritizedReplay(warmup=PROMPTS * SAMPLES) if again else SingleUse(),
        runtime="inline",
        inline=VirtualClock(learn_cost=0.0, publication_lag=here.lag),
        num_searchers=here.searchers,
        search_ladder=LADDER if here.ladder else None,
        max_steps=steps,
        learning_rate=rate,
        optimizer=Adam(schedule=WarmupStableDecay(warmup=10, stable=steps // 2, decay=steps // 2, floor=0.05)),
        num_prompts=PROMPTS,
        num_generations=SAMPLES,
        search_prompts=PROMPTS // here.reuse,
        max_completion_length=WORLDS[world].longest,
        save_steps=0,
        evaluation=HeldOut(every=max(1, steps // 10), prompts=128, sampled_prompts=64, samples=16),
    )


def tuning(worlds: Mapping[Name, str]) -> dict[str, Run]:
    """The runs that rates and the corrected arm's objective are chosen by; world -> its base model."""
    tried = itertools.product(TUNING_SEEDS, worlds.items(), TRIED, RATES)
    return {
        label(f"{world}-{arm}-rate{rate:g}", seed): replace(run_of(arm, world, TUNED_AT, rate, base), seed=seed)
        for seed, (world, base), arm, rate in tried
    }


def tuned(root: Path, world: Name) -> dict[str, Tuned]:
    """What tuning chose in a world, by arm, read from its runs in `root`.

    Raises:
        SteelyardError: a run of the tuning is missing, unfinished or damaged.
    """
    scores = {(arm, rate): _score(root, f"{world}-{arm}-rate{rate:g}") for arm in TRIED for rate in RATES}
    best = {arm: max(RATES, key=lambda rate, arm=arm: scores[arm, rate]) for arm in TRIED}
    taken = {arm: max(some, key=lambda name: scores[name, best[name]]) for arm, some in CHOSEN.items()}
    return {arm: Tuned(name := taken.get(arm, arm), best[name]) for arm in ARMS}


def _score(root: Path, arm: str) -> float:
    return statistics.fmean(SCORE(ended(root / label(arm, seed))) for seed in TUNING_SEEDS)


def runs_of(tuned: Mapping[str, Tuned], world: Name, cells: list[Cell], base: str) -> dict[str, Run]:
    """Arm by cell in a world, by the first part of the run's label; the anchor has one cell."""
    return {
        name_of(world, arm, cell): run_of(choice.objective, world, cell, choice.rate, base)
        for arm, choice in tuned.items()
        for cell in ([FRESH] if arm == "on-policy" else cells)
    }


def name_of(world: Name, arm: str, cell: Cell) -> str:
    """What stands before a run's seed in the label of its directory."""
    return f"{world}-{arm}-{(FRESH if arm == 'on-policy' else cell).label}"
