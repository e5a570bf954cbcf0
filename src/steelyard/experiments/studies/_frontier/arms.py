"""The arms of the frontier study, as runs, and how they are tuned.

    tb             trajectory balance as published, from its replay buffer
    weighted-tb    the same with importance weights
    corrected      the best of the policy gradients that correct for old data
    uncorrected    Dr. GRPO without importance ratio: old data is taken as if it were fresh
    on-policy      Dr. GRPO on fresh data: the anchor, which no axis moves

Where each sample is learned from once, trajectory balance takes it from its buffer and the others from the single-use
queue; where it is learned from again, all draw from the buffer. Every arm has one setting for each world: the best of
its candidates and of `RATES` at lag 64 (on-policy: at lag 0) over two seeds that no cell has. The candidates of
trajectory balance are three betas, those of `corrected` nine objectives, so that one has most tries.
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
    AsymmetricReinforce,
    DrGRPO,
    IcePop,
    Objective,
    TBAPrime,
    VarGradTB,
    WeightedTB,
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
ARMS = ("tb", "weighted-tb", "corrected", "uncorrected", "on-policy")
"""As they stand in the table."""


def candidates(world: Name) -> dict[str, Mapping[str, Objective]]:
    """Arm -> what tuning chooses among; one that divides by a constant length takes the world's longest."""
    betas, longest = WORLDS[world].betas, WORLDS[world].longest
    some = (
        {f"vargrad-tb-beta{beta:g}": VarGradTB(beta=beta) for beta in betas},
        {f"weighted-tb-beta{beta:g}": WeightedTB(beta=beta) for beta in betas},
        _corrected(longest),
        {"uncorrected": DrGRPO(importance_ratio=False, max_length=longest)},
        {"on-policy": DrGRPO(max_length=longest)},
    )
    return dict(zip(ARMS, some, strict=True))


def _corrected(longest: int) -> dict[str, Objective]:
    return {
        "asymmetric-reinforce": AsymmetricReinforce(),
        "cispo": CISPO(),
        "grpo": GRPO(),
        "gspo": GSPO(),
        "icepop": IcePop(),
        "m2po": M2PO(),
        "tba-prime": TBAPrime(beta=0.01),
        "tis": TIS(max_length=longest),
        "vcpo": VCPO(),
    }


def tried(world: Name) -> dict[str, Objective]:
    """All that are tuned."""
    return {name: one for some in candidates(world).values() for name, one in some.items()}


@dataclass(frozen=True)
class Tuned:
    """What tuning chose for an arm."""

    objective: str
    """Of `tried`."""
    rate: float


def run_of(candidate: str, world: Name, cell: Cell, rate: float, base: str) -> Run:
    """A candidate in a cell.

    Args:
        candidate: one of `tried`.
        world: where it learns.
        cell: under which conditions; on-policy has those of `FRESH`.
        rate: learning rate.
        base: directory of the world's base model.
    """
    here = FRESH if candidate == "on-policy" else cell
    objective = tried(world)[candidate]
    steps = max(WORLDS[world].steps, PATIENCE * here.lag)
    again = here.reuse > 1 or isinstance(objective, VarGradTB | WeightedTB)
    return Run(
        task=WORLDS[world].task,
        objective=objective,
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


def tuning(world: Name, base: str) -> dict[str, Run]:
    """The runs that candidates and rates are chosen by."""
    return {
        label(f"{name}-rate{rate:g}", seed): replace(run_of(name, world, TUNED_AT, rate, base), seed=seed)
        for seed, name, rate in itertools.product(TUNING_SEEDS, tried(world), RATES)
    }


def tuned(root: Path, world: Name) -> dict[str, Tuned]:
    """What tuning chose in a world, by arm, read from its runs in `root`.

    Raises:
        SteelyardError: a run of the tuning is missing, unfinished or damaged.
    """
    scores = {Tuned(name, rate): _score(root, f"{name}-rate{rate:g}") for name in tried(world) for rate in RATES}
    return {
        arm: max((one for one in scores if one.objective in some), key=scores.__getitem__)
        for arm, some in candidates(world).items()
    }


def _score(root: Path, name: str) -> float:
    return statistics.fmean(SCORE(ended(root / label(name, seed))) for seed in TUNING_SEEDS)


def runs_of(tuned: Mapping[str, Tuned], world: Name, cells: list[Cell], base: str) -> dict[str, Run]:
    """Arm by cell, by the first part of the run's label; the anchor has one cell."""
    return {
        name_of(arm, cell): run_of(choice.objective, world, cell, choice.rate, base)
        for arm, choice in tuned.items()
        for cell in ([FRESH] if arm == "on-policy" else cells)
    }


def name_of(arm: str, cell: Cell) -> str:
    """What stands before a run's seed in the label of its directory."""
    return f"{arm}-{(FRESH if arm == 'on-policy' else cell).label}"
