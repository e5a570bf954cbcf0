import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.searcher.temperature_ladder import TemperatureLadder


def test_the_rungs_have_one_quotient() -> None:
    """Four searchers from 1 to 8: each is twice as hot as the one before."""
    assert [TemperatureLadder(1.0, 8.0, 4).of(k) for k in range(4)] == pytest.approx([1.0, 2.0, 4.0, 8.0])


def test_a_single_searcher_has_the_first_temperature() -> None:
    assert TemperatureLadder(0.7, 3.0, 1).of(0) == 0.7


@given(st.floats(0.1, 5.0), st.floats(1.0, 10.0), st.integers(2, 32))
def test_it_begins_and_ends_where_it_is_told_and_never_falls(low: float, times: float, searchers: int) -> None:
    rungs = [TemperatureLadder(low, low * times, searchers).of(k) for k in range(searchers)]
    assert rungs == pytest.approx(sorted(rungs))
    assert (rungs[0], rungs[-1]) == pytest.approx((low, low * times))
