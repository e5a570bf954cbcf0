"""A search for what attracts others: candidates are tried cluster by cluster, and dull clusters are dropped.

    score `per_round` random candidates of each cluster that is left
    drop the share `drop` of clusters whose best score is lowest, one at least
    until no cluster or no candidate is left

Most clusters are left after few trials, so that the trials go where scores are high. A candidate may be a patch of an
image, or words of a text: the search sees only numbers.
N candidates.
Source: Tejankar et al. 2023, arXiv:2304.01482, the search of PatchSearch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from steelyard.core import rng

Score = Callable[[Sequence[int]], Sequence[float]]
"""Numbers of candidates -> their scores."""


@dataclass(frozen=True)
class Scores:
    """What a search found."""

    score_N: Float[Tensor, "N"]
    """Scores; 0 for candidates that were not tried."""
    tried_N: Bool[Tensor, "N"]
    """Which were tried."""

    @property
    def order_N(self) -> Int64[Tensor, "N"]:
        """All candidates, those with the highest scores first; of equal scores, those that were tried."""
        return (self.score_N + 0.5 * self.tried_N).argsort(descending=True, stable=True)


def search(cluster_N: Int64[Tensor, "N"], score: Score, *, per_round: int, drop: float, seed: int) -> Scores:
    """Try candidates until no cluster or no candidate is left.

    Args:
        cluster_N: the cluster of each candidate.
        score: tries candidates; whole numbers, so that a tried candidate goes before an equal one that was not.
        per_round: candidates of a cluster that are tried in a round.
        drop: share of the clusters that a round drops.
        seed: of the order of candidates in their clusters.
    """
    score_N = torch.zeros(len(cluster_N))
    tried_N = torch.zeros(len(cluster_N), dtype=torch.bool)
    left = _queues(cluster_N, seed)
    while tried := [i for queue in left.values() for i in queue[:per_round]]:
        score_N[tried] = torch.tensor([float(value) for value in score(tried)])
        tried_N[tried] = True
        best = {k: float(score_N[cluster_N == k].max()) for k in left}
        ranked = sorted(left, key=lambda k: -best[k])
        kept = ranked[: len(ranked) - max(1, int(drop * len(ranked)))]
        left = {k: rest for k in kept if (rest := left[k][per_round:])}
    return Scores(score_N, tried_N)


def _queues(cluster_N: Int64[Tensor, "N"], seed: int) -> dict[int, list[int]]:
    """Each cluster's candidates in a random order."""
    draws = rng(seed, "cluster search", "order")
    of = {int(k): torch.nonzero(cluster_N == k)[:, 0].numpy() for k in cluster_N.unique()}
    return {k: draws.permutation(own).tolist() for k, own in of.items()}
