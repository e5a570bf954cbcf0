"""Clusters of features by their angles, with what is needed to assign others to them.

    c(f) = argmax_k cos(f, centre_k),    centre_k the mean of what k-means put into cluster k, scaled to length 1

N features of E units, K clusters.
Source: k-means by `eee_explore.clustered`; assigning by the angle is ours.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import normalize

from steelyard.guard.eee_explore import clustered


@dataclass(frozen=True)
class Clusters:
    """Centres, and what lies near them."""

    centre_KE: Float[Tensor, "K E"]
    """Of length 1."""
    own_N: Int64[Tensor, "N"]
    """The cluster of each feature."""
    near_N: Float[Tensor, "N"]
    """Cosine of each feature and its centre."""

    @staticmethod
    def of(feature_NE: Float[Tensor, "N E"], number: int, *, seed: int) -> "Clusters":
        """At most so many clusters; those that are empty are left out."""
        label_N = torch.from_numpy(clustered(feature_NE.double().numpy(), min(number, len(feature_NE)), seed))
        centre_KE = normalize(torch.stack([feature_NE[label_N == k].mean(0) for k in label_N.unique()]), dim=1)
        near_NK = feature_NE @ centre_KE.T
        own_N = near_NK.argmax(1)
        return Clusters(centre_KE, own_N, near_NK.gather(1, own_N[:, None])[:, 0])

    def assign(self, feature_ME: Float[Tensor, "M E"]) -> Int64[Tensor, "M"]:
        """The nearest centre of each."""
        return (feature_ME @ self.centre_KE.T).argmax(1)

    def nearest(self, number: int) -> Int64[Tensor, "T"]:
        """About so many features: of each cluster as many of those nearest to its centre, one at least."""
        each = max(1, number // len(self.centre_KE))
        order_N = self.near_N.argsort(descending=True, stable=True)
        return torch.cat([order_N[self.own_N[order_N] == k][:each] for k in range(len(self.centre_KE))])
