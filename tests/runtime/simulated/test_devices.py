from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.runtime.simulated.devices import OwnDevices, SharedCores, shares


def test_shares_by_hand():
    assert shares([1.0, 0.5, 0.5], 2.0) == [1, 0.5, 0.5]
    assert shares([0.5, 1.0, 0.5], 1.0) == [0.25, 0.5, 0.25]
    assert shares([4.0, 1.0, 1.0], 2.0) == [1, 0.5, 0.5], "nobody has more than one core"
    assert shares([1.0, 1.0], 8.0) == [1, 1]
    assert shares([], 2.0) == []


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=8), st.floats(0.5, 8))
def test_all_cores_are_used_and_nobody_has_more_than_one(weights: list[float], cores: float):
    rates = shares(weights, cores)
    assert sum(rates) == pytest.approx(min(len(weights), cores))
    assert all(0 < rate <= 1 for rate in rates)
    ordered = sorted(zip(weights, rates, strict=True))
    assert all(one[1] <= heavier[1] + 1e-12 for one, heavier in pairwise(ordered)), "more weight, no smaller share"


def test_two_works_on_one_core():
    cores = SharedCores(1.0)
    cores.start("short", 1.0, 1.0)
    cores.start("long", 2.0, 1.0)
    assert cores.next_end() == 2
    assert cores.advance(2.0) == ["short"]
    assert cores.next_end() == 3, "the other one has the core for itself"
    assert cores.advance(3.0) == ["long"]
    assert cores.next_end() == float("inf")


def test_a_device_each():
    own = OwnDevices()
    own.start("a", 2.0, 1.0)
    own.start("b", 1.0, 1.0)
    assert own.next_end() == 1
    assert own.advance(1.0) == ["b"]
    own.start("b", 0.5, 1.0)
    assert own.advance(2.0) == ["b", "a"]
