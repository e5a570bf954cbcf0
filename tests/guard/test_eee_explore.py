import numpy as np
import pytest

from steelyard.guard.eee_explore import EEEExplore, clustered, last_states
from steelyard.worlds.sync_loop import tiny_policy


def test_clusters_are_told_by_the_angle():
    points = np.array([[1.0, 0.0], [5.0, 0.1], [0.0, 2.0], [0.1, 9.0]])
    found = clustered(points, 2, seed=3).tolist()
    assert found[0] == found[1]
    assert found[2] == found[3]
    assert found[0] != found[2]


def test_of_each_cluster_so_many_are_chosen():
    """Of 20 points at one place and 2 at another, two of each: at random the two would hardly be there."""
    points = np.array([[1.0, 0.01 * n] for n in range(20)] + [[0.0, 1.0], [0.01, 1.0]])
    chosen = EEEExplore(clusters=2, per_cluster=2).choose(points, seed=1)
    assert len(chosen) == 4
    assert {i for i, _ in chosen} >= {20, 21}
    assert [i for i, _ in chosen] == sorted(i for i, _ in chosen)
    assert len({cluster for i, cluster in chosen if i < 20}) == 1
    assert EEEExplore(clusters=2, per_cluster=2).choose(points, seed=1) == chosen


def test_fewer_texts_than_clusters_are_all_chosen():
    assert [i for i, _ in EEEExplore().choose(np.eye(3), seed=0)] == [0, 1, 2]


def test_a_text_is_where_its_last_token_ends():
    policy = tiny_policy("abc", seed=0, width=16, layers=1, context=8)
    together = last_states(policy, ["ab", "abcab", ""])
    assert together[0] == pytest.approx(last_states(policy, ["ab"])[0], abs=1e-5), "padding is not read"
    assert not together[2].any()
    assert np.abs(together[0] - together[1]).max() > 1e-3
