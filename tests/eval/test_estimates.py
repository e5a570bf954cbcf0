"""Wilson's interval and pass@k: hand numbers, enumeration, and properties."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import SteelyardError
from steelyard.eval import pass_at_k, wilson
from steelyard.eval.estimates import mean_interval

counts = st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def test_wilson_by_hand():
    # s = 8, n = 10, z = 2: centre (8 + 2) / 14, half-width 2 sqrt(8 * 2 / 10 + 1) / 14.
    low, high = wilson(8, 10, z=2.0)
    assert low == pytest.approx((10 - 2 * math.sqrt(2.6)) / 14)
    assert high == pytest.approx((10 + 2 * math.sqrt(2.6)) / 14)


def test_wilson_at_the_ends():
    low, high = wilson(0, 20)
    assert low == 0.0 and high == pytest.approx(1.96**2 / (20 + 1.96**2))
    assert wilson(20, 20)[1] == 1.0
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(3, 12, z=0.0) == pytest.approx((0.25, 0.25))


@given(counts)
def test_wilson_ends_solve_its_inequality(count):
    s, n = count
    for p in wilson(s, n):
        assert (s / n - p) ** 2 == pytest.approx(1.96**2 * p * (1 - p) / n, abs=1e-9)


@given(counts)
def test_wilson_holds_the_rate_and_is_symmetric(count):
    s, n = count
    low, high = wilson(s, n)
    assert 0 <= low <= s / n <= high <= 1
    assert wilson(n - s, n) == pytest.approx((1 - high, 1 - low))
    wide = wilson(s, n, z=3.0)
    assert wide[0] <= low and high <= wide[1]


def test_pass_at_k_by_hand():
    assert pass_at_k(4, 1, 2) == pytest.approx(1 - 3 / 6)
    assert pass_at_k(8, 3, 1) == pytest.approx(3 / 8)
    assert pass_at_k(8, 1, 8) == 1.0
    assert pass_at_k(8, 0, 8) == 0.0
    assert pass_at_k(4000, 10, 100) == pytest.approx(1 - math.prod((3900 - i) / (4000 - i) for i in range(10)))


@given(st.integers(1, 7).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_pass_at_k_is_the_share_of_subsets_with_a_correct_one(case):
    n, c, k = case
    subsets = list(itertools.combinations([i < c for i in range(n)], k))
    assert pass_at_k(n, c, k) == pytest.approx(sum(any(s) for s in subsets) / len(subsets))


@pytest.mark.parametrize("call", [
    lambda: wilson(3, 2), lambda: wilson(-1, 2), lambda: wilson(1, 2, z=-1.0),
    lambda: pass_at_k(4, 5, 1), lambda: pass_at_k(4, 1, 5), lambda: pass_at_k(4, 1, 0),
])  # fmt: skip
def test_impossible_counts_are_refused(call):
    with pytest.raises(SteelyardError):
        call()


def test_an_interval_of_a_mean_by_hand():
    assert mean_interval([0.5, 1.5]) == pytest.approx((1 - 1.96 * 0.5, 1 + 1.96 * 0.5))
    assert mean_interval([2.0, 2.0, 2.0]) == (2.0, 2.0)
    assert mean_interval([1.0]) is None


def test_wilson_of_shares_is_that_of_as_many_hits():
    assert wilson(0.25 + 0.75 + 1.0, 4) == wilson(2, 4)
