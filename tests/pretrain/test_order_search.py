import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import rng
from steelyard.pretrain.order_search import crossed, moved_to, search
from steelyard.pretrain.training_orders import drawn_orders


def test_orders_are_crossed_by_hand():
    assert crossed((0, 1, 2, 3, 4), (4, 3, 2, 1, 0), 1, 3) == [4, 1, 2, 3, 0]
    assert crossed((0, 1, 2), (2, 1, 0), 0, 0) == [2, 1, 0]
    assert crossed((0, 1, 2), (2, 1, 0), 0, 3) == [0, 1, 2]


@given(st.permutations(range(6)), st.permutations(range(6)), st.integers(0, 6), st.integers(0, 6))
def test_a_child_has_every_batch_once(one, other, start, end):
    assert sorted(crossed(one, other, min(start, end), max(start, end))) == list(range(6))


def test_one_batch_is_moved():
    assert moved_to(0, 2, 4) == (1, 2, 0, 3)
    assert moved_to(3, 0, 4) == (3, 0, 1, 2)
    assert moved_to(1, 1, 4) == (0, 1, 2, 3)


def disorder(order):
    """How many pairs stand the wrong way round."""
    return float(sum(a > b for i, a in enumerate(order) for b in order[i + 1 :]))


def test_the_search_finds_the_best_order_of_a_known_loss():
    first = drawn_orders(6, 24, seed=3)
    found = search(disorder, first, 12, rng(0, "search"))
    assert disorder(found) <= 1 < min(map(disorder, first))
    assert search(disorder, first, 0, rng(0, "search")) == min(first, key=disorder)


def test_an_order_is_asked_for_once():
    asked = []
    search(lambda order: asked.append(order) or disorder(order), drawn_orders(3, 8, seed=0), 9, rng(0, "search"))
    assert len(asked) == len(set(asked)) <= 6


def test_drawn_orders_are_orders_and_follow_the_seed():
    orders = drawn_orders(5, 40, seed=1)
    assert all(sorted(order) == list(range(5)) for order in orders)
    assert orders == drawn_orders(5, 40, seed=1) != drawn_orders(5, 40, seed=2)
    assert np.mean([order[0] for order in drawn_orders(5, 500, seed=1)]) == pytest.approx(2.0, abs=0.3)
