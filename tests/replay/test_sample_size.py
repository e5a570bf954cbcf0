"""The limit of age: by hand, under the model that it states, and against the gauge that it reads."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import rng
from steelyard.learner.effective_sample_size import effective_share
from steelyard.replay import age_limit, rate_of

AGES = st.lists(st.integers(0, 60), min_size=1, max_size=20)


def share_of(ages, k):
    """S = 1 / mean exp(k a)."""
    return 1 / np.mean(np.exp(k * np.array(ages, dtype=float)))


def told(ages, k):
    return {"learner/ess": float(share_of(ages, k)), "batch/staleness_mean": float(np.mean(ages))}


def test_a_hand_worked_limit():
    """A share of 1/8 at age 3 falls by log 2 a version: a bound of 1/4 lets in 2 versions, one of .3 only 1."""
    rate = rate_of({"learner/ess": 1 / 8, "batch/staleness_mean": 3.0})
    assert rate == pytest.approx(math.log(2))
    assert age_limit(0.249, rate) == 2
    assert age_limit(0.3, rate) == 1
    assert age_limit(0.9, rate) == 1, "data of one version ago is let in always, or nothing could be measured"


@pytest.mark.parametrize(("share", "age"), [(None, None), (0.5, None), (None, 1.0), (0.5, 0.0), (0.0, 1.0)])
def test_a_step_that_tells_nothing_has_no_rate(share, age):
    assert rate_of({"learner/ess": share, "batch/staleness_mean": age}) is None
    assert rate_of({}) is None


def test_where_nothing_drifts_there_is_no_limit():
    assert rate_of({"learner/ess": 1.0, "batch/staleness_mean": 4.0}) == 0
    assert rate_of({"learner/ess": 1.0 + 1e-12, "batch/staleness_mean": 4.0}) == 0
    assert age_limit(0.5, 0.0) == math.inf


@given(AGES, st.floats(1e-4, 1))
def test_the_rate_is_never_too_low_and_exact_where_all_ages_are_equal(ages, k):
    rate = rate_of(told(ages, k))
    if rate is not None:
        assert rate >= k * (1 - 1e-9)
        even = rate_of(told([max(ages)] * 3, k))
        assert even == pytest.approx(k)


@given(AGES, AGES, st.floats(1e-3, 1), st.floats(0.05, 0.95))
def test_no_batch_within_the_limit_falls_below_the_bound(ages, drawn, k, bound):
    rate = rate_of(told(ages, k))
    if rate is not None:
        limit = age_limit(bound, rate)
        young = [age for age in drawn if age <= limit]
        if young and (limit > 1 or math.exp(-k) >= bound):
            assert share_of(young, k) >= bound * (1 - 1e-9)


@given(st.floats(0.05, 0.95), st.floats(0.05, 0.95), st.floats(1e-3, 1), st.floats(1e-3, 1))
def test_more_drift_and_a_higher_bound_let_in_less(low, high, slow, fast):
    low, high, slow, fast = *sorted((low, high)), *sorted((slow, fast))
    assert age_limit(high, fast) <= age_limit(low, fast) <= age_limit(low, slow)


def test_the_learners_gauge_agrees_with_the_model():
    """200,000 completions whose log ratios drift by a random walk, half of them of age 2 and half of age 6."""
    k, number = 0.1, 200_000
    age_N = np.where(np.arange(number) % 2, 2.0, 6.0)
    log_w_N = -k * age_N / 2 + np.sqrt(k * age_N) * rng(8).standard_normal(number)
    share = effective_share([torch.from_numpy(log_w_N)])
    assert share == pytest.approx(share_of([2, 6], k), rel=0.02)
