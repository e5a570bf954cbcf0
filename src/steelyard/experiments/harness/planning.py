"""How many seeds a proof takes, from what trial seeds showed.

    n = min { n >= 3 : P(all claims shown on n seeds) >= .9 }
    e ~ Normal(lower quartile of the trial effects, their covariance)

e are the effects of all claims at one seed: claims share their seeds, so they are noisy together. The probability is
that of each block, simulated with the t intervals that judge; with three seeds the half-width of a 90 % interval is
1.7 standard deviations. The lower quartile stands for the luck of the trial. A proof that takes more than 12 seeds is
made in another world, or claims less.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from steelyard.core import require, rng
from steelyard.experiments.harness.claim import Judged
from steelyard.experiments.harness.effect import ONE_SIDE
from steelyard.experiments.harness.proof import FEWEST_SEEDS, MOST_SEEDS

POWER = 0.9
_DRAWS = 4000


@dataclass(frozen=True)
class SeedPlan:
    """The seeds that a block takes, and how sure it then is."""

    seeds: int | None
    """None where 12 do not suffice."""
    power: float
    """Probability that all claims are shown on so many seeds, or on 12."""
    text: str
    """The plan in a sentence."""


def plan_seeds(trial: Sequence[Judged]) -> SeedPlan:
    """The number of seeds that a proof needs.

    Args:
        trial: every claim, judged on the same two or more trial seeds.

    Raises:
        SteelyardError: there are fewer than two trial seeds, or none of a claim.
    """
    num = min((len(one.effect) for one in trial), default=0)
    hint = "try two seeds or more from 900, all of each claim"
    require(num >= 2, f"a trial of {num} seeds has no spread", where="seeds", hint=hint)
    below = [one.claim.text for one in trial if quartile(one.effect) < one.claim.threshold]
    if below:
        lost = "; ".join(below)
        return SeedPlan(None, 0.0, f"the trial's lower quartile is below what is claimed: {lost}")
    draws_RNC = _simulated(trial)
    power = 0.0
    for seeds in range(FEWEST_SEEDS, MOST_SEEDS + 1):
        power = _power(draws_RNC[:, :seeds], [one.claim.threshold for one in trial])
        if power >= POWER:
            return SeedPlan(seeds, power, f"{seeds} seeds a block: all claims are shown with probability {power:.2f}")
    what = f"{MOST_SEEDS} seeds show all claims with probability {power:.2f}: change the world or the margin"
    return SeedPlan(None, power, what)


def quartile(effect: Sequence[float]) -> float:
    """The lower quartile of the effects."""
    return float(np.quantile(np.array(effect), 0.25))


def _simulated(trial: Sequence[Judged]) -> Float64[np.ndarray, "R N C"]:
    """Effects of R proofs on N seeds and C claims, with the trial's covariance."""
    effect_SC = np.array([one.effect for one in trial]).T
    num = len(effect_SC)
    spread_SC = (effect_SC - effect_SC.mean(0)) / math.sqrt(num - 1)
    draws_RNS = rng(0, "plan").standard_normal((_DRAWS, MOST_SEEDS, num))
    return draws_RNS @ spread_SC + np.array([quartile(one.effect) for one in trial])


def _power(draws_RNC: Float64[np.ndarray, "R N C"], thresholds: Sequence[float]) -> float:
    from scipy.stats import t

    seeds = draws_RNC.shape[1]
    half_RC = t.ppf(1 - ONE_SIDE, seeds - 1) * draws_RNC.std(1, ddof=1) / math.sqrt(seeds)
    shown_RC = draws_RNC.mean(1) - half_RC >= np.array(thresholds)
    return float(shown_RC.all(1).mean())
