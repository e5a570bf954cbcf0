"""Percentile behaviour cloning: imitate the best episodes, which Dichotomy of Control is compared with.

    L = -log pi(a_t|s_t) + ...    over the steps of the episodes with the highest share of returns

The rest of L is that of `control.offline_learner`, with one latent: there is nothing to choose.
Source: Chen et al. 2021, arXiv:2106.01345 (%BC).
"""

from dataclasses import dataclass

import numpy as np

from steelyard.control.offline import PlayedEpisode, Sizes, returns_of
from steelyard.control.offline_learner import OfflineLearner
from steelyard.control.return_conditioned import Rank
from steelyard.core import ShareAboveZero, method


@method("percentile-bc", paper="arXiv:2106.01345")
@dataclass(frozen=True)
class PercentileBC(OfflineLearner):
    """Imitate the best episodes."""

    best_share: ShareAboveZero = 0.1
    """Share of the episodes that is imitated: those with the highest returns."""

    @property
    def latents(self) -> int:
        """One: there is nothing to choose."""
        return 1

    def reading(self, sizes: Sizes) -> "Rank":
        """All returns alike."""
        return Rank(1)

    def kept(self, episodes: list[PlayedEpisode]) -> list[PlayedEpisode]:
        """The best episodes, the first of equals; at least one."""
        value_E = np.array([returns_of(e.rewards, self.discount)[0] for e in episodes])
        number = max(1, round(self.best_share * len(episodes)))
        return [episodes[i] for i in sorted(np.argsort(-value_E, kind="stable")[:number].tolist())]
