"""Old data: trajectory balance against Dr. GRPO without importance ratio, on data 1, 4, 16 and 64 versions old.

Searchers sample with weights that are exactly `lag` versions old (inline, synchronous clock). Each method learns as its
recipe has it, trajectory balance from the replay buffer and Dr. GRPO from the single-use queue, with one learning rate
and for the same number of steps. Source of the claim: Bartoldson et al. 2025, arXiv:2503.18929, section 6.
"""

import statistics
from dataclasses import dataclass, replace
from typing import Any

from steelyard.objective import DrGRPO
from steelyard.recipes.named.arithmetic import RECIPE
from steelyard.recipes.sweep import median, show, sweep
from steelyard.replay import SingleUse
from steelyard.runtime import HeldOut, Run, VirtualClock

LAGS = (1, 4, 16, 64)
# What each changes in the arithmetic recipe, which is trajectory balance with its replay buffer.
METHODS: dict[str, dict[str, Any]] = {
    "vargrad-tb": {},
    "dr-grpo-uncorrected": {"objective": DrGRPO(importance_ratio=False, max_length=20), "replay": SingleUse()},
}


@dataclass(frozen=True)
class Study:
    """Held-out accuracy after the same steps at growing lag."""

    seeds: int = 3
    """Seeds 0, 1, ..."""
    output_dir: str | None = None
    """Where the runs go; runs that ended there before are not repeated."""
    steps: int = 160
    """Learner steps of each run."""
    learning_rate: float = 5e-5
    """Of both methods."""
    jobs: int = 0
    """Runs at a time; 0 for one per core."""


def measure(study: Study) -> dict[str, Any]:
    """Run the grid, print the table, judge the claim."""
    base = replace(
        RECIPE,
        runtime="inline",
        max_steps=study.steps,
        learning_rate=study.learning_rate,
        evaluation=HeldOut(every=study.steps, prompts=512, sampled_prompts=64),
    )

    def run(method: str, lag: int, seed: int) -> Run:
        return replace(base, **METHODS[method], seed=seed, inline=VirtualClock(learn_cost=0.0, publication_lag=lag))

    runs = {f"{m}-lag{lag}-seed{s}": run(m, lag, s) for s in range(study.seeds) for lag in LAGS for m in METHODS}
    results = sweep("lag", runs, jobs=study.jobs, directory=study.output_dir)
    accuracy = {
        m: {lag: [results[f"{m}-lag{lag}-seed{s}"]["accuracy_after"] for s in range(study.seeds)] for lag in LAGS}
        for m in METHODS
    }
    show(
        "held-out accuracy, median [lowest, highest] over seeds",
        ["lag", *METHODS],
        [[str(lag), *(median(accuracy[m][lag]) for m in METHODS)] for lag in LAGS],
    )
    lost = {m: 100 * (statistics.median(a[LAGS[0]]) - statistics.median(a[LAGS[-1]])) for m, a in accuracy.items()}
    tb, other = (lost[m] for m in METHODS)
    shown = tb <= 8 and other >= tb + 5
    print(
        f"points lost from lag {LAGS[0]} to {LAGS[-1]}: trajectory balance {tb:.1f}, uncorrected Dr. GRPO {other:.1f}"
    )
    print(f"claim (at most 8, and at least 5 more): {'shown' if shown else 'not shown'}")
    return {"accuracy": accuracy, "points_lost": lost, "shown": shown}
