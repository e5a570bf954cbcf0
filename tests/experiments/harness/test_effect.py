import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from steelyard.core import SteelyardError
from steelyard.experiments.harness.effect import UNBOUNDED, Comparison, Figures, assess, clopper_pearson, half_width


def compare(ours, baseline, *, lower=False, relative=False) -> Comparison:
    return Comparison(ours, baseline, lower, relative, "a claim")


def figures(*values: float, of: int | None = None) -> Figures:
    return Figures(values, None if of is None else (of,) * len(values))


def test_a_difference_by_hand():
    found = assess(compare(figures(3.0, 5.0), figures(2.0, 2.0)), threshold=0.5)
    assert found.mean == 2.0
    assert found.interval == pytest.approx((2 - 6.313752, 2 + 6.313752))  # t(.95, 1) = 6.3138, sd / sqrt(2) = 1
    assert found.p == pytest.approx(0.5 - math.atan(1.5) / math.pi)  # t with one degree of freedom is Cauchy's


def test_a_relative_effect_is_a_mean_of_logarithms():
    found = assess(compare(figures(1.0, 4.0), figures(2.0, 2.0), relative=True), threshold=0.0)
    assert found.mean == pytest.approx(0.0)  # a half and a double cancel; as shares they would give .25
    lower = compare(figures(1.0, 1.0, 2.0), figures(2.0, 4.0, 2.0), lower=True, relative=True)
    assert lower.effects() == pytest.approx((math.log(2), math.log(4), 0.0))
    with pytest.raises(SteelyardError, match=r"a claim: 0.0 has no logarithm.*; report it as a share"):
        compare(figures(0.0, 1.0), figures(1.0, 1.0), relative=True).effects()


def test_counts_get_a_half_before_the_logarithm():
    found = compare(figures(0.0, 0.1, of=50), figures(0.5, 0.5, of=10), lower=True, relative=True).effects()
    assert found == pytest.approx((math.log((5.5 / 10.5) / (0.5 / 50.5)), math.log((5.5 / 10.5) / (5.5 / 50.5))))


def test_p_is_at_most_a_twentieth_where_the_interval_lies_above():
    ours = figures(0.3, 0.1, 0.7, 0.2)
    zero = Figures((0.0,) * 4, fixed=True)
    low, high = stats.t.interval(0.9, 3, loc=0.325, scale=stats.sem(ours.values))
    found = assess(compare(ours, zero), threshold=low)
    assert found.interval == pytest.approx((low, high))
    assert found.p == pytest.approx(0.05)
    assert half_width(ours.values) == pytest.approx((high - low) / 2)
    wanted = stats.ttest_1samp(ours.values, 0.1, alternative="greater").pvalue
    assert assess(compare(ours, zero), threshold=0.1).p == pytest.approx(wanted)


def test_without_spread_the_bound_is_exact():
    # None of 3 x 100 is malformed, where 5 % are allowed: p = .95^300, and the bound is 1 - .05^(1/300).
    found = assess(compare(figures(0.0, 0.0, 0.0, of=100), Figures((0.0,) * 3, fixed=True), lower=True), -0.05)
    assert found.p == pytest.approx(0.95**300)
    assert found.interval == pytest.approx((-(1 - 0.05 ** (1 / 300)), 0.0))


def test_two_counted_arms_share_the_level():
    found = assess(compare(figures(1.0, 1.0, of=10), figures(0.0, 0.0, of=10)), threshold=0.5)
    bound = 0.025 ** (1 / 20)  # 20 of 20 at a level of .025, and the mirror image for 0 of 20
    assert found.interval == pytest.approx((2 * bound - 1, 1.0))
    assert found.p is not None
    assert found.p == pytest.approx(2 * 0.75**20)  # where 2 bound - 1 is .5
    relative = assess(compare(figures(0.0, 0.0, of=10), figures(0.5, 0.5, of=10), lower=True, relative=True), 0.0)
    assert relative.interval is not None
    assert relative.interval[1] == UNBOUNDED


@pytest.mark.parametrize(
    ("ours", "baseline"),
    [
        (figures(1.0, 1.0, 1.0), figures(0.5, 0.5, 0.5)),
        (figures(1.0, 1.0, of=9), figures(0.5, 0.5)),
        (figures(1.0, of=9), figures(0.5, of=9)),
    ],
)
def test_what_has_no_spread_and_no_counts_or_one_seed_has_no_interval(ours, baseline):
    found = assess(compare(ours, baseline), threshold=0.0)
    assert (found.interval, found.p) == (None, None)


def test_infinite_effects_have_no_mean():
    assert compare(figures(math.inf, 1.0), figures(math.inf, 2.0)).effects() == (0.0, -1.0)
    with pytest.raises(SteelyardError, match="not finite"):
        assess(compare(figures(math.inf, 1.0), figures(1.0, 1.0)), threshold=0.0)


def test_clopper_and_pearson_by_hand():
    assert clopper_pearson(0, 20, 0.05) == pytest.approx((0.0, 1 - 0.05 ** (1 / 20)))
    assert clopper_pearson(20, 20, 0.05) == pytest.approx((0.05 ** (1 / 20), 1.0))
    wanted = stats.binomtest(7, 20).proportion_ci(0.9, method="exact")
    assert clopper_pearson(7, 20, 0.05) == pytest.approx((wanted.low, wanted.high))


@given(st.lists(st.floats(-3, 3), min_size=3, max_size=8), st.floats(-2, 2), st.floats(0, 1))
def test_a_higher_threshold_never_has_a_smaller_p(effect, threshold, more):
    zero = Figures((0.0,) * len(effect), fixed=True)
    low = assess(compare(figures(*effect), zero), threshold).p
    high = assess(compare(figures(*effect), zero), threshold + more).p
    assert (low is None) == (high is None)
    assert low is None or high is None or low <= high
