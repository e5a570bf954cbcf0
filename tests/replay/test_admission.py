import math

import numpy as np
import pytest

from steelyard.core import SteelyardError
from steelyard.replay import AgeLimit
from steelyard.replay.admission import check_finite, check_request


def test_floor_is_the_learner_version_less_the_bound():
    assert AgeLimit(3, "drop").floor(10) == 7
    assert AgeLimit(None, "drop").floor(10) == -math.inf


def test_a_rule_binds_only_with_a_bound():
    assert (AgeLimit(0, "drop").drops, AgeLimit(0, "drop").waits) == (True, False)
    assert (AgeLimit(0, "wait").drops, AgeLimit(0, "wait").waits) == (False, True)
    for rule in ("drop", "wait"):
        unbounded = AgeLimit(None, rule)
        assert not unbounded.drops and not unbounded.waits


def test_refuses_just_beyond_the_bound(make):
    assert not AgeLimit(2, "drop").refuses(make(version=3), 5)
    assert AgeLimit(2, "drop").refuses(make(version=2), 5)
    assert not AgeLimit(2, "wait").refuses(make(version=2), 5)


def test_wrong_limits_are_refused(unchecked):
    with pytest.raises(SteelyardError, match=r"^replay\.max_staleness: is -1; use 0 or more, or None$"):
        AgeLimit(-1, "drop")
    with pytest.raises(SteelyardError, match="use drop or wait"):
        unchecked(AgeLimit, max_staleness=1, over_age="keep")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_refused_by_name(make, value):
    with pytest.raises(SteelyardError, match=r"prompt 'q', sample 4: reward"):
        check_finite([make(), make("q", reward=value, sample=4)])
    with pytest.raises(SteelyardError, match="logp_behaviour_T is not finite"):
        check_finite([make(logp=value)])
    with pytest.raises(SteelyardError, match="logp_ref_T is not finite"):
        check_finite([make(logp_ref_T=np.array([0.0, value], np.float32))])


def test_a_missing_reward_is_not_a_wrong_number(make):
    check_finite([make(reward=None)])


@pytest.mark.parametrize(("p", "g"), [(0, 1), (1, 0), (-2, 3)])
def test_an_empty_request_is_refused(p, g):
    with pytest.raises(SteelyardError, match="use 1 or more"):
        check_request(p, g)
