"""The search over clusters: its rounds by hand, and that it ends."""

import pytest
import torch

from steelyard.guard.cluster_search import search


def test_rounds_by_hand() -> None:
    # Four clusters of three candidates; a candidate's score is ten times its cluster. Rounds of one try 4, 3, 2 and 1
    # clusters where one of four, of three, of two and of one is dropped: cluster 3 has three candidates alone.
    cluster_N = torch.arange(12) // 3
    rounds: list[list[int]] = []

    def score(tried):
        rounds.append([int(cluster_N[i]) for i in tried])
        return [10.0 * int(cluster_N[i]) for i in tried]

    found = search(cluster_N, score, per_round=1, drop=0.25, seed=0)
    assert rounds == [[0, 1, 2, 3], [3, 2, 1], [3, 2]]
    assert found.tried_N.reshape(4, 3).sum(1).tolist() == [1, 2, 3, 3]
    assert found.order_N[:3].tolist() == [9, 10, 11]


def test_with_enough_a_round_everything_is_tried() -> None:
    values = torch.tensor([3.0, -1.0, 0.0, 5.0, 2.0])
    found = search(
        torch.tensor([0, 0, 1, 1, 2]), lambda tried: values[list(tried)].tolist(), per_round=9, drop=0.0, seed=1
    )
    assert torch.equal(found.score_N, values)
    assert found.tried_N.all()
    assert found.order_N.tolist() == [3, 0, 4, 2, 1], "it is a plain ranking then"


def test_the_tried_go_before_the_untried_of_the_same_score() -> None:
    found = search(torch.zeros(4, dtype=torch.long), lambda tried: [0.0] * len(tried), per_round=2, drop=0.0, seed=0)
    assert found.tried_N[found.order_N].tolist() == [True, True, False, False]


def test_a_candidate_is_tried_once() -> None:
    seen: list[int] = []

    def score(tried):
        seen.extend(tried)
        return [float(i % 7) for i in tried]

    search(torch.arange(200) % 9, score, per_round=3, drop=0.25, seed=2)
    assert len(seen) == len({*seen})


@pytest.mark.parametrize("seed", [0, 1])
def test_equal_seeds_try_the_same(seed: int) -> None:
    first, again = (
        search(torch.arange(60) % 6, lambda tried: [float(i) for i in tried], per_round=2, drop=0.25, seed=seed)
        for _ in range(2)
    )
    assert torch.equal(first.tried_N, again.tried_N)


def test_a_cluster_alone_has_one_round() -> None:
    found = search(torch.zeros(5, dtype=torch.long), lambda tried: [1.0] * len(tried), per_round=2, drop=0.25, seed=0)
    assert int(found.tried_N.sum()) == 2
