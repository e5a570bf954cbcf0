"""A null method: two identical arms at margin 0 through the test of proofs. How often is chance called *shown*?

Both arms are UCB1 on the nine rare arms of the bandit world, the cheapest there is, with pays of their own. A run is
one proof: a first block of three seeds, and where that shows the claim, a later one. Each block is shown with a
probability of .05 by the test's own level; the exact interval of the rate is Clopper and Pearson's.
"""

from collections.abc import Callable

import numpy as np

from steelyard.core import rng
from steelyard.curriculum import UCB1
from steelyard.experiments.harness.claim import Claim, judge
from steelyard.experiments.harness.effect import ONE_SIDE, clopper_pearson
from steelyard.experiments.harness.metric import Metrics
from steelyard.experiments.harness.proof_record import NullRate
from steelyard.experiments.proofs.curriculum.ucboost import WORLDS, play

CLAIM = Claim("one arm has less regret than the same arm", "regret", "same", 0.0, lower_is_better=True, ours="arm")
SEEDS = 3
REPLICATIONS = 20
ROUNDS = 300


def null_rate(runs: int, say: Callable[[str], None]) -> NullRate:
    """The false-positive rate over so many runs, each on seeds of its own."""
    shown = 0
    replicated = 0
    for run in range(runs):
        if _shows(2 * run * SEEDS):
            shown += 1
            replicated += _shows((2 * run + 1) * SEEDS)
        if (run + 1) % 50 == 0:
            say(f"{run + 1} of {runs} runs: {shown} shown, {replicated} in both blocks")
    return NullRate(
        runs,
        shown,
        shown / runs,
        clopper_pearson(shown, runs, ONE_SIDE),
        replicated,
        replicated / runs,
        clopper_pearson(replicated, runs, ONE_SIDE),
        SEEDS,
    )


def _shows(first_seed: int) -> bool:
    seeds = range(first_seed, first_seed + SEEDS)
    measured = {seed: {arm: _regret(seed, arm) for arm in ("arm", "same")} for seed in seeds}
    return judge(CLAIM, measured).verdict == "shown"


def _regret(seed: int, arm: str) -> Metrics:
    means = WORLDS["rare"]
    draws_RKT = rng(seed, "null", arm).random((REPLICATIONS, len(means), ROUNDS), np.float32)
    regret, _ = play(UCB1(), means, draws_RKT < np.array(means, np.float32)[:, None])
    return {"regret": regret}
