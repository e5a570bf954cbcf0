"""Scores by hand, their reductions, and the law between a draw by age and a weight by age."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.laws import fits, sequential, softmax
from steelyard.core import rng
from steelyard.replay import Entry, choose_entries, scores, softmax_order

EPS = 1e-6
DRAWS = 6000


def entries_of(rewards, versions=None):
    versions = [0] * len(rewards) if versions is None else versions
    return [Entry(v, i, "p", v, r, bytes([i])) for i, (r, v) in enumerate(zip(rewards, versions, strict=True))]


def probabilities(entries, **how):
    return softmax(scores(entries, **{"priority": "reward", "inverse_temperature": 0.0, "age_decay": 0.0, **how}))


def test_a_hand_worked_probability_by_reward_and_age():
    """b = 1, l = log 2. Rewards log 3, 0, 0 at ages 2, 1, 0 weigh 3/4 : 1/2 : 1, of a sum of 9/4."""
    entries = entries_of([math.log(3), 0.0, 0.0], [4, 5, 6])
    found = probabilities(entries, inverse_temperature=1.0, age_decay=math.log(2))
    assert found == pytest.approx([3 / 9, 2 / 9, 4 / 9])


def test_freshpers_priority():
    """P(i) ~ ((|r_i| + e) exp(-age_i / tau))^alpha: its code at alpha .6, tau 500, the learner at version 1000."""
    rewards, versions, alpha, tau = [-1.0, 0.5, 0.0, 2.0], [0, 700, 990, 400], 0.6, 500.0
    priority = [(abs(r) + EPS) * math.exp(-(1000 - v) / tau) for r, v in zip(rewards, versions, strict=True)]
    wanted = np.power(priority, alpha) / np.power(priority, alpha).sum()
    how = {"priority": "abs-reward", "inverse_temperature": alpha, "age_decay": alpha / tau}
    assert probabilities(entries_of(rewards, versions), **how) == pytest.approx(wanted)


def test_the_advantage_is_among_what_the_prompt_has():
    """Rewards 0, 1, 5 have the mean 2, so their sizes are 2, 1, 3; to the power of 2 they weigh 4 : 1 : 9."""
    found = probabilities(entries_of([0.0, 1.0, 5.0]), priority="abs-advantage", inverse_temperature=2.0)
    assert found == pytest.approx([4 / 14, 1 / 14, 9 / 14], abs=1e-5)
    even = probabilities(entries_of([0.25] * 4), priority="abs-advantage", inverse_temperature=2.0)
    assert even == pytest.approx([1 / 4] * 4)


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=8), st.floats(0.1, 3))
def test_rewards_of_0_and_1_make_the_size_of_the_reward_a_softmax_of_it(rewards, alpha):
    entries = entries_of(rewards)
    size = probabilities(entries, priority="abs-reward", inverse_temperature=alpha)
    plain = probabilities(entries, inverse_temperature=alpha * math.log((1 + EPS) / EPS))
    assert size == pytest.approx(plain)


@given(
    st.lists(st.tuples(st.floats(-1e3, 1e3), st.integers(0, 10**6)), min_size=1, max_size=9),
    st.floats(0, 50),
    st.integers(0, 99),
)
def test_without_decay_the_order_is_the_earlier_one_bit_for_bit(pairs, b, seed):
    """What `softmax_order` was before there was an age: b (r - max r) + Gumbel noise, sorted."""
    reward_N = np.array([r for r, _ in pairs])
    earlier = b * (reward_N - reward_N.max()) + rng(seed).gumbel(size=len(reward_N))
    entries = entries_of([r for r, _ in pairs], [v for _, v in pairs])
    score_N = scores(entries, priority="reward", inverse_temperature=b, age_decay=0.0)
    assert softmax_order(score_N, rng(seed)).tolist() == np.argsort(-earlier, kind="stable").tolist()


@given(st.lists(st.integers(0, 50), min_size=1, max_size=6), st.integers(0, 1000), st.floats(0, 3))
def test_the_learners_version_cancels(versions, later, decay):
    """Only differences of age count: entries that are all older by as much are drawn alike."""
    rewards = [float(i) for i, _ in enumerate(versions)]
    now = probabilities(entries_of(rewards, versions), inverse_temperature=0.3, age_decay=decay)
    then = probabilities(entries_of(rewards, [v + later for v in versions]), inverse_temperature=0.3, age_decay=decay)
    assert then == pytest.approx(now)


VERSIONS, GAMMA = [9, 8, 6, 2], 0.7
VALUES = np.array([1.0, -2.0, 4.0, 10.0])


def weighed_by_age(reward_b=0.0):
    """sum gamma^age e^(b r) g / sum gamma^age e^(b r); the rewards are 0, 1, 2, 3."""
    weight = np.array([GAMMA ** (9 - v) for v in VERSIONS]) * np.exp(reward_b * np.arange(4))
    return float((weight * VALUES).sum() / weight.sum())


@pytest.mark.parametrize("b", [0.0, 0.4])
def test_one_draw_by_age_has_the_expectation_of_a_weight_by_age(b):
    how = {"priority": "reward", "inverse_temperature": b, "age_decay": -math.log(GAMMA)}
    entries = sorted(entries_of([0.0, 1.0, 2.0, 3.0], VERSIONS))
    score_N = scores(entries, **how)
    places = [e.seq for e in entries]
    assert softmax(score_N) @ VALUES[places] == pytest.approx(weighed_by_age(b))
    firsts = [choose_entries(entries, score_N, 1, num_newest=0, rng=rng(7, i))[0].seq for i in range(DRAWS)]
    weight = np.array([GAMMA ** (9 - v) for v in VERSIONS]) * np.exp(b * np.arange(4))
    assert fits(Counter(firsts), dict(enumerate(weight / weight.sum())))


def test_members_drawn_without_replacement_are_more_mixed_in_age_than_the_weights():
    """The mean over a group of 1 is the weighed one; of all 4 it is the plain mean, and between them it moves there."""
    law = np.array([-math.log(GAMMA) * v for v in VERSIONS])
    means = []
    for size in (1, 2, 3, 4):
        means.append(sum(p * VALUES[list(order)].mean() for order, p in sequential(law, size).items()))
    assert means[0] == pytest.approx(weighed_by_age())
    assert means[-1] == pytest.approx(VALUES.mean())
    gaps = [abs(mean - VALUES.mean()) for mean in means]
    assert all(nearer < farther for farther, nearer in itertools.pairwise(gaps))
