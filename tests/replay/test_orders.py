"""Random orders against their exact laws, and what an order by age costs."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sortedcontainers import SortedList

from replay.laws import fits, sequential
from steelyard.core import rng
from steelyard.replay import aged, shuffled

DRAWS = 6000


def keys_of(versions):
    return SortedList((version, f"p{i:02}") for i, version in enumerate(sorted(versions)))


def test_shuffled_gives_every_ordering_equally_often():
    distribution = dict.fromkeys(itertools.permutations("bcd"), 1 / 6)
    counts = Counter(tuple(shuffled("abcd", 1, rng(0, "shuffled", i))) for i in range(DRAWS))
    assert fits(counts, distribution)


@given(st.integers(0, 12), st.data())
def test_shuffled_gives_each_key_of_the_tail_once(n, data):
    start = data.draw(st.integers(0, n))
    assert sorted(shuffled(range(n), start, rng(n, start))) == list(range(start, n))


def test_a_hand_worked_order_by_age():
    """Ages 0, 1, 2 at l = log 2 weigh 4 : 2 : 1: the first is the youngest with 4/7, then the middle one with 2/3."""
    keys = keys_of([5, 6, 7])
    draws = [[version for version, _ in aged(keys, 0, math.log(2), rng(1, i))] for i in range(DRAWS)]
    first = Counter(order[0] for order in draws)
    assert fits(first, {7: 4 / 7, 6: 2 / 7, 5: 1 / 7})
    then = Counter(order[1] for order in draws if order[0] == 7)
    assert fits(then, {6: 2 / 3, 5: 1 / 3})


@pytest.mark.parametrize(
    ("versions", "start", "decay"),
    [
        ([0, 3, 3, 7], 0, 0.3),
        ([0, 3, 3, 7], 1, 0.3),
        ([0, 1, 2, 3, 4], 0, 1.0),
        ([0, 90, 92, 93], 0, 0.9),  # the oldest is beyond rounding until the others are used up
        ([2, 2, 2, 2], 0, 5.0),
        ([0, 10, 1000], 0, 1e-9),
    ],
)
def test_whole_orders_follow_the_sequential_softmax(versions, start, decay):
    keys = keys_of(versions)
    law = sequential([decay * version for version, _ in keys[start:]], len(keys) - start)
    named = {tuple(keys[start + i][1] for i in order): p for order, p in law.items()}
    counts = Counter(tuple(name for _, name in aged(keys, start, decay, rng(2, i))) for i in range(DRAWS))
    likely = {order: p for order, p in named.items() if p > 1e-15}
    assert fits(counts, likely)
    assert math.isclose(sum(likely.values()), 1)


@given(
    st.lists(st.integers(0, 10**6), max_size=15),
    st.sampled_from([1e-320, 1e-6, 0.01, 0.7, 3.0, 1e3, 1e300]),
    st.data(),
)
def test_aged_gives_each_key_of_the_tail_once(versions, decay, data):
    keys = keys_of(versions)
    start = data.draw(st.integers(0, len(versions)))
    assert sorted(aged(keys, start, decay, rng(len(versions), start))) == list(keys[start:])


class Counted(SortedList):
    """Counts how often a key is looked at."""

    looks = 0

    def __getitem__(self, index):
        self.looks += 1
        return super().__getitem__(index)

    def bisect_left(self, value):
        self.looks += 1
        return super().bisect_left(value)


@pytest.mark.parametrize("decay", [1e-4, 1e-2, 1.0])
def test_a_draw_from_many_looks_at_few(decay):
    """50,000 prompts, one a version: at most 37 + log N layers, two looks at each, and some trials."""
    keys = Counted(keys_of(range(50_000)))
    keys.looks = 0
    taken = list(itertools.islice(aged(keys, 0, decay, rng(3)), 32))
    assert len({*taken}) == 32
    assert keys.looks < 2 * (37 + math.log(50_000)) + 32 * 12
    assert np.mean([50_000 - version for version, _ in taken]) < 60 / decay
