import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import Schedule, SteelyardError, WarmupStableDecay

counts = st.integers(0, 50)


def test_linear_by_hand():
    beta = Schedule(0.014, 0.004, 500)
    assert beta(0) == 0.014
    assert beta(250) == pytest.approx(0.009)
    assert beta(500) == beta(10_000) == pytest.approx(0.004)


def test_linear_over_no_steps_is_its_end():
    assert Schedule(1.0, 0.5, 0)(0) == 0.5


def test_warmup_stable_decay_by_hand():
    rate = WarmupStableDecay(warmup=3, stable=2, decay=4, floor=0.2)
    values = [rate(step) for step in range(11)]
    assert values == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1, 0.8, 0.6, 0.4, 0.2, 0.2])


def test_without_stable_it_never_decays():
    assert WarmupStableDecay(warmup=1, stable=None, decay=5)(10**6) == 1.0


def test_no_decay_drops_at_once():
    rate = WarmupStableDecay(stable=2, decay=0)
    assert [rate(step) for step in range(4)] == [1.0, 1.0, 0.0, 0.0]


@given(st.floats(-10, 10), st.floats(-10, 10), counts, st.integers(0, 100))
def test_linear_is_monotone_and_stays_between_its_ends(start, end, steps, step):
    schedule = Schedule(start, end, steps)
    low, high = min(start, end), max(start, end)
    assert low - 1e-9 <= schedule(step) <= high + 1e-9
    assert (schedule(step + 1) - schedule(step)) * (end - start) >= -1e-9


@given(counts, counts, counts, st.floats(0, 1), st.integers(0, 200))
def test_warmup_rises_decay_falls_and_all_stays_within_0_and_1(warmup, stable, decay, floor, step):
    rate = WarmupStableDecay(warmup, stable, decay, floor)
    assert 0 <= rate(step) <= 1
    change = rate(step + 1) - rate(step)
    if step + 1 < warmup + stable:
        assert rate(step) > 0
        assert change >= 0
    if step >= warmup + stable:
        assert floor - 1e-12 <= rate(step)
        assert change <= 1e-12
    assert rate(warmup + stable + decay) == pytest.approx(floor)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Schedule(0.0, 1.0, -1),
        lambda: WarmupStableDecay(warmup=-1),
        lambda: WarmupStableDecay(stable=-1),
        lambda: WarmupStableDecay(decay=-1),
        lambda: WarmupStableDecay(floor=1.5),
    ],
)
def test_wrong_settings_are_refused(make):
    with pytest.raises(SteelyardError, match="schedule"):
        make()
