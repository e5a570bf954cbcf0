"""UCBoost: the smallest of several closed-form confidence bounds, close to kl-UCB's at a fraction of its cost.

Differs: as a curriculum, its arms are domains, a pull is a prompt, and the reward is a group's mean |advantage|. That
drifts as the policy learns, so we add `discount`. A group that is still being sampled counts as a pull; that is ours.

    delta_a = (log n + c log log n) / n_a
    index_a = min_{d in D} max{q : d(mean_a, q) <= delta_a}

n_a pulls of arm a, n of all; each d is a semi-distance below kl with a closed form (`semi_distances.py`). UCBoost(D):
D = {bq, h, lb}, perhaps with t and sq. UCBoost(eps): D = {sq, lb} and step distances of precision eps. D = {sq} is
UCB1 with its smallest sound constant, D = {kl} is kl-UCB.
P prompts, G samples per prompt.
Source: Liu, Wang, Buccapatnam and Shroff 2018, arXiv:1804.05929.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Annotated, Literal

import numpy as np
from msgspec import Meta

from steelyard.core import NonNegative, Prompt, ShareAboveZero, ShareInside, method
from steelyard.curriculum.bandit import Array, Bandit
from steelyard.curriculum.semi_distances import BOUNDS, step

Distances = Annotated[
    tuple[Literal["sq", "bq", "h", "lb", "t", "kl"], ...],
    Meta(min_length=1, description="some of sq, bq, h, lb, t and kl, such as bq h lb"),
]


@method(
    "ucboost",
    paper="arXiv:1804.05929",
    claim="kl-UCB's regret at about 1 % of its compute; O(1) per arm and round within 1/e of kl-UCB's constant",
)
@dataclass(frozen=True)
class UCBoost:
    """Settings of UCBoost: the smallest of several closed-form confidence bounds."""

    distances: Distances = ("bq", "h", "lb")
    """The set D; see semi_distances."""
    eps: ShareInside | None = None
    """Precision of step distances that are added to D; None adds none. The paper's UCBoost(eps) takes D = sq lb."""
    c: NonNegative = 0.0
    """Weight of log log n: 3 in the theory, 0 in practice."""
    discount: ShareAboveZero = 0.99
    """Factor by which each new group lowers the weight of earlier ones; 1 is no discount, as in the paper."""

    def index(self, mean: Array, pulls: Array, time: float) -> Array:
        """Upper confidence bounds of arms with these mean rewards in [0, 1] and numbers of pulls, of `time` in all."""
        late = self.c * np.log(np.log(max(time, np.e))) if self.c else 0.0
        delta = (np.log(time) + late) / pulls
        bounds = [BOUNDS[name](mean, delta) for name in self.distances]
        if self.eps is not None:
            bounds.append(step(mean, delta, self.eps))
        return reduce(np.minimum, bounds)

    def open(self, prompts: Sequence[Prompt], seed: int) -> Bandit:
        """The live bandit, over the domains of these prompts."""
        return Bandit(prompts, seed, self, self.discount)
