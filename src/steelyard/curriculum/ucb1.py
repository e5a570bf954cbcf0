"""UCB1 over domains: the mean reward plus a confidence radius.

Differs: the paper's bandit observes each reward before the next pull. Ours draws a batch at once, and a group that is
still being sampled counts as a pull. The reward, a group's mean |advantage|, drifts as the policy learns, so we add
`discount`.

    index_a = mean_a + sqrt(2 ln n / n_a)

n_a pulls of arm a, n of all. P prompts, G samples per prompt: a pull is a prompt, its reward comes from G samples.
Source: Auer, Cesa-Bianchi and Fischer 2002, Machine Learning 47:235-256.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from steelyard.core import Prompt, ShareAboveZero, method
from steelyard.curriculum.bandit import Array, Bandit


@method("ucb1")
@dataclass(frozen=True)
class UCB1:
    """Settings of UCB1."""

    discount: ShareAboveZero = 0.99
    """Factor by which each new group lowers the weight of earlier ones; 1 is no discount."""

    def index(self, mean: Array, pulls: Array, time: float) -> Array:
        """Upper confidence bounds; they may exceed 1.

        >>> UCB1().index(np.array([0.5, 0.5]), np.array([10.0, 40.0]), 50.0).round(2).tolist()
        [1.38, 0.94]
        """
        return mean + np.sqrt(2 * np.log(time) / pulls)

    def open(self, prompts: Sequence[Prompt], seed: int) -> Bandit:
        """The live bandit, over the domains of these prompts."""
        return Bandit(prompts, seed, self, self.discount)
