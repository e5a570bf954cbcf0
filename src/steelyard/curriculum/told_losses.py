"""The losses of domains, as they are told between two changes of their shares.

    L_d = mean over the prompts of domain d that were told of (1 - mean_G reward)

A domain of which nothing was told keeps its last loss, which is 1 at first. Shapes: D domains, G samples of a prompt.
"""

from collections.abc import Sequence

import numpy as np

from steelyard.core import Trajectory
from steelyard.curriculum.arms import Arms


class ToldLosses:
    """What was told since the last round ended.

    Args:
        arms: the prompts of each domain.
    """

    def __init__(self, arms: Arms) -> None:
        self._arms = arms
        self._clear()

    def __bool__(self) -> bool:
        return bool(self._told_D.any())

    @property
    def total(self) -> list[float]:
        """Sums of the losses of each domain, for a state."""
        return self._total_D.tolist()

    @property
    def told(self) -> list[int]:
        """How many each sum is of, for a state."""
        return self._told_D.tolist()

    def observe(self, trajectories: Sequence[Trajectory]) -> None:
        """Count 1 less the mean reward of each prompt's samples as one measure of its domain's loss."""
        for arm, reward_G in self._arms.rewards(trajectories):
            if len(reward_G):
                self._total_D[arm] += 1 - reward_G.mean()
                self._told_D[arm] += 1

    def end_round(self, before: Sequence[Sequence[float]]) -> list[float]:
        """The losses of the round that ends, after those of the rounds before; nothing is told of the next one yet."""
        before_D = np.array(before[-1]) if before else np.ones(len(self._arms))
        loss_D = np.where(self._told_D > 0, self._total_D / np.maximum(self._told_D, 1), before_D)
        self._clear()
        return loss_D.tolist()

    def restore(self, total: Sequence[float], told: Sequence[int]) -> None:
        """Continue from what `total` and `told` were."""
        self._total_D = np.array(total, np.float64)
        self._told_D = np.array(told, np.int64)

    def _clear(self) -> None:
        self._total_D = np.zeros(len(self._arms))
        self._told_D = np.zeros(len(self._arms), np.int64)
