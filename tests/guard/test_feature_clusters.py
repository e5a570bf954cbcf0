"""Clusters of features: centres and assignment by hand."""

import torch
from torch.nn.functional import normalize

from steelyard.guard.feature_clusters import Clusters

POINTS = normalize(torch.tensor([[1.0, 0.1], [1.0, -0.1], [1.0, 0.3], [0.1, 1.0], [-0.1, 1.0]]), dim=1)


def test_two_clusters_by_hand() -> None:
    found = Clusters.of(POINTS, 2, seed=0)
    right = int(found.own_N[0])
    assert found.own_N.tolist() == [right, right, right, 1 - right, 1 - right]
    assert torch.allclose(found.centre_KE[1 - right], torch.tensor([0.0, 1.0]), atol=1e-6)
    assert torch.allclose(found.centre_KE.norm(dim=1), torch.ones(2))
    assert torch.allclose(found.near_N, (POINTS * found.centre_KE[found.own_N]).sum(1))
    assert found.assign(torch.tensor([[0.0, 2.0], [3.0, 1.0]])).tolist() == [1 - right, right]


def test_those_that_were_clustered_are_assigned_to_their_own() -> None:
    points = normalize(torch.randn(90, 5, generator=torch.Generator().manual_seed(0)), dim=1)
    found = Clusters.of(points, 7, seed=1)
    assert torch.equal(found.assign(points), found.own_N)


def test_the_nearest_of_each_cluster() -> None:
    found = Clusters.of(POINTS, 2, seed=0)
    chosen = found.nearest(2).tolist()
    assert len(chosen) == 2 and 0 in chosen, "of three to the right, the first is nearest to their mean"
    assert len(found.nearest(1)) == 2, "one of each cluster at least"
    assert len(found.nearest(100)) == 5


def test_more_clusters_than_points() -> None:
    found = Clusters.of(POINTS[:2], 9, seed=0)
    assert 1 <= len(found.centre_KE) <= 2
