"""Explore: of many samples of a model, so many of each cluster, to be labelled by whoever knows what is bad.

Differs: an empty cluster stays where it began, and samples are not cut into sentences. Where labels come from people,
nothing is asked; an oracle stands for them otherwise.

    e_i = h(last token of text i) / |h|,    c = argmin over K-means with cosine distance
    chosen = for each cluster, min(n, its size) texts, drawn without replacement

h is the last hidden state of the model itself. A random choice of as many texts shows what the model says often; a
choice by clusters shows also what it says seldom, and a classifier can only learn what was labelled. N texts, K
clusters, D hidden size.
Source: the first step of Casper et al. 2023, arXiv:2306.09442, and its code.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from steelyard.core import NonNegativeInt, Positive, PositiveInt, method, rng
from steelyard.policy import Policy
from steelyard.policy.next_states import next_states


@method("eee-explore", paper="arXiv:2306.09442")
@dataclass(frozen=True)
class EEEExplore:
    """How texts are sampled, and which of them are labelled."""

    temperature: Positive = 1.5
    """Of the samples."""
    top_k: NonNegativeInt = 50
    """Tokens that a sample's next one is drawn from, the likeliest; 0 for all."""
    clusters: PositiveInt = 100
    """K; at most as many as there are different texts."""
    per_cluster: PositiveInt = 200
    """Texts that are labelled of each cluster, at most."""

    def choose(self, points_ND: Float64[np.ndarray, "N D"], seed: int) -> list[tuple[int, int]]:
        """The texts that are labelled, in order, each with its cluster."""
        label_N = clustered(points_ND, min(self.clusters, len(points_ND)), seed)
        draws = rng(seed, "eee-explore", "labelled")
        of = [np.flatnonzero(label_N == k) for k in range(int(label_N.max()) + 1)]
        drawn = [i for own in of for i in draws.permutation(own)[: self.per_cluster].tolist()]
        return [(i, int(label_N[i])) for i in sorted(drawn)]


def clustered(points_ND: Float64[np.ndarray, "N D"], k: int, seed: int) -> Int64[np.ndarray, "N"]:
    """The cluster of each point, by the angle between them; centres begin at points that are drawn."""
    from scipy.cluster.vq import kmeans2

    unit_ND = points_ND / np.linalg.norm(points_ND, axis=1, keepdims=True).clip(min=1e-12)
    begun = rng(seed, "eee-explore", "centres").permutation(len(unit_ND))[:k]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "One of the clusters is empty")
        _, label_N = kmeans2(unit_ND, unit_ND[begun], minit="matrix", iter=20)
    return label_N.astype(np.int64)


def last_states(policy: Policy, texts: Sequence[str]) -> Float64[np.ndarray, "N D"]:
    """The model's last hidden state at each text's last token; of an empty text that of nothing, 0."""
    rows = [policy.encode(text)[-policy.context_length :] for text in texts]
    found_ND = np.zeros((len(rows), policy.hidden_size))
    told = [i for i, row in enumerate(rows) if row]
    found_ND[told] = next_states(policy, [rows[i] for i in told]).double().cpu().numpy()
    return found_ND
