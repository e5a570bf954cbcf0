import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from restored import check_goes_on
from searched import DOMAINS, found, prompts

from steelyard.core import Curriculum, Prompt, SteelyardError
from steelyard.curriculum import UCB1, Dump, UCBoost

ENDLESS = float("inf")


def opened(seed=0, **settings):
    return Dump(**settings).open(prompts(), seed)


def test_weights_by_hand():
    """Domain 0: half right, so |A| is 1. Domain 10: one of four right, 0.866 on average. Domain 20: unseen."""
    draws = opened()
    assert isinstance(draws, Curriculum)
    assert draws.weights() == pytest.approx([1 / 3] * 3)
    draws.observe(found(0, [1.0, 0.0, 1.0, 0.0]))
    draws.observe(found(1, [0.0, 1.0, 0.0, 0.0]))
    bonus = 2 * np.log(9)
    bound = np.array([1 + np.sqrt(bonus / 5), np.sqrt(0.75) + np.sqrt(bonus / 5), np.sqrt(bonus / 1)])
    expected = np.exp(bound / 0.1)
    assert draws.weights() == pytest.approx(expected / expected.sum(), rel=1e-3)


def test_without_differences_it_is_uniform_and_so_it_is_at_infinite_tau():
    draws = opened()
    for i in range(6):
        draws.observe(found(i, [1.0, 1.0]))
    assert draws.weights() == pytest.approx([1 / 3] * 3)
    endless = opened(tau=ENDLESS)
    endless.observe(found(1, [1.0, 0.0]))
    assert endless.weights() == pytest.approx([1 / 3] * 3)
    counts = np.bincount([i % DOMAINS for i in endless.draw(3000)])
    assert counts == pytest.approx([1000] * 3, abs=100)


def test_the_window_forgets():
    draws = opened(window=4)
    draws.observe(found(0, [1.0, 0.0, 1.0, 0.0]))
    draws.observe(found(0, [1.0, 1.0, 1.0, 1.0]))
    assert draws.state()["recent"][0] == [0.0] * 4
    assert draws.state()["seen"] == [8, 0, 0]


def test_ucboost_can_be_the_index():
    draws = opened(index=UCBoost())
    draws.observe(found(0, [1.0, 0.0, 1.0, 0.0]))
    draws.observe(found(1, [1.0, 1.0, 1.0, 1.0]))
    bound = np.array([1.0, 1 - np.exp(-np.log(9) / 5), 1 - np.exp(-np.log(9))])  # of a mean of 0, d_lb's is exact
    assert draws.weights() == pytest.approx(np.exp(bound / 0.1) / np.exp(bound / 0.1).sum(), rel=1e-3)
    assert Dump().index == UCB1()


rewards = st.floats(-5, 5) | st.none() | st.just(float("nan"))


@given(st.lists(rewards, min_size=1, max_size=8), st.randoms(), st.floats(0.1, 9), st.floats(-3, 3))
def test_order_scale_and_shift_of_a_group_do_not_matter(values, shuffle, scale, shift):
    one, other = opened(), opened()
    group = found(4, values)
    one.observe(group)
    mixed = [t.replace(reward=None if t.reward is None else t.reward * scale + shift) for t in group]
    shuffle.shuffle(mixed)
    other.observe(mixed)
    valid = [v for v in values if v is not None and np.isfinite(v)]
    assert one.state()["seen"][1] == len(valid)
    assert all(0 <= mean <= 1 + 1e-9 for mean in [np.mean(one.state()["recent"][1] or [0.0])])
    if len(valid) > 1 and np.std(valid) > 1e-2:
        assert other.state()["recent"][1] == pytest.approx(one.state()["recent"][1], abs=1e-2)
    shuffled = list(group)
    shuffle.shuffle(shuffled)
    same = opened()
    same.observe(shuffled)
    assert same.state() == one.state()


def test_each_prompt_of_a_domain_once_per_epoch():
    drawn = opened(tau=ENDLESS).draw(400)
    for domain in range(DOMAINS):
        own = [i for i in drawn if i % DOMAINS == domain]
        for start in range(0, len(own) - 3, 4):
            assert sorted(own[start : start + 4]) == [domain, domain + 3, domain + 6, domain + 9]


@given(st.lists(st.integers(0, 5), max_size=8), st.integers(0, 9))
def test_a_restored_one_goes_on_bit_for_bit(sizes, seed):
    check_goes_on(lambda: opened(seed, window=6), sizes, lambda i: [i / 7, 0.1, (i * i) % 5 / 3])


def test_wrong_input_is_refused():
    for wrong in ({"tau": 0.0}, {"window": 0}):
        with pytest.raises(SteelyardError, match="dump"):
            Dump(**wrong)
    with pytest.raises(SteelyardError, match="no prompts"):
        Dump().open([], 0)
    with pytest.raises(SteelyardError, match="no column domain"):
        Dump().open([Prompt("a", "a")], 0)
    for change in ({"seen": [1]}, {"recent": [[], []]}, {"walked": [0]}, {"position": "1"}, {"more": 1}):
        with pytest.raises(SteelyardError, match="curriculum state"):
            opened().restore({**opened().state(), **change})
