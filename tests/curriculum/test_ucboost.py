import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from searched import found, prompts

from steelyard.core import Curriculum, SteelyardError
from steelyard.curriculum import UCB1, UCBoost
from steelyard.curriculum.semi_distances import BOUNDS, divergence, step

means = st.floats(0, 1) | st.sampled_from([0.0, 1.0, 1e-9, 1 - 1e-9])
deltas = st.floats(0, 8)


def exact(p, delta):
    """kl-UCB by a root finder of its own."""
    if p == 1 or kl(p, 1 - 1e-15) <= delta:
        return 1.0
    return float(brentq(lambda q: kl(p, q) - delta, p, 1 - 1e-15, xtol=1e-14))


def kl(p, q):
    if q in (0.0, 1.0):
        return 0.0 if p == q else np.inf
    return (p * np.log(p / q) if p else 0.0) + ((1 - p) * np.log((1 - p) / (1 - q)) if p < 1 else 0.0)


@given(means, deltas)
def test_no_index_is_below_kl_ucb(p, delta):
    """Every distance is at most kl, so what it rules out kl rules out."""
    least, arrays = exact(p, delta), (np.array([p]), np.array([delta]))
    for name, bound in BOUNDS.items():
        assert least - 1e-6 <= bound(*arrays)[0] <= 1 + 1e-12, name
    for eps in (0.3, 0.01):
        assert least - 1e-6 <= step(*arrays, eps)[0] <= 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [("sq", 0.72361), ("bq", 0.72239), ("h", 0.79664), ("lb", 0.79532), ("kl", 0.71288), ("t", 1.0)],
)
def test_by_hand_at_a_half(name, expected):
    """p = 1/2, delta = 0.1: 1/2 + sqrt(0.05) for sq, 1 - exp(-0.2) / 4 for lb."""
    assert BOUNDS[name](np.array([0.5]), np.array([0.1]))[0] == pytest.approx(expected, abs=1e-5)


@given(means, deltas)
def test_each_distance_reaches_delta_at_its_index(p, delta):
    """The closed forms solve their equations; where they stop at 1, the distance does not reach delta."""
    distances = {
        "sq": lambda q: 2 * (p - q) ** 2,
        "bq": lambda q: 2 * (p - q) ** 2 + 4 / 9 * (p - q) ** 4,
        "h": lambda q: 2 - 2 * np.sqrt(p * q) - 2 * np.sqrt((1 - p) * (1 - q)),
    }
    for name, distance in distances.items():
        q = BOUNDS[name](np.array([p]), np.array([delta]))[0]
        assert distance(q) == pytest.approx(delta, abs=1e-6) if q < 1 else distance(1.0) <= delta + 1e-6, name


@given(means, deltas, st.sampled_from([0.3, 0.05, 0.01]))
def test_ucboost_of_eps_allows_no_more_than_kl_ucb_with_eps_more(p, delta, eps):
    """The paper's guarantee: one of the semi-distances is within eps of kl, wherever the index ends."""
    [q] = UCBoost(distances=("sq", "lb"), eps=eps).index(np.array([p]), np.array([1.0]), float(np.exp(delta)))
    assert exact(p, delta) - 1e-6 <= q <= exact(p, delta + eps) + 1e-6


def test_reductions():
    mean, pulls, time = np.array([0.2, 0.7]), np.array([5.0, 20.0]), 100.0
    delta = np.log(100) / pulls
    assert UCBoost(distances=("sq",)).index(mean, pulls, time) == pytest.approx(
        np.minimum(1, mean + np.sqrt(delta / 2))
    )
    bound = UCBoost(distances=("kl",)).index(mean, pulls, time)
    assert divergence(mean, bound) == pytest.approx(delta, abs=1e-5)
    assert UCB1().index(mean, pulls, time) == pytest.approx(mean + np.sqrt(2 * np.log(100) / pulls))
    more = UCBoost(c=3.0).index(mean, pulls, time)
    assert (more >= UCBoost().index(mean, pulls, time)).all()


@pytest.mark.parametrize("method", [UCBoost(), UCBoost(distances=("sq", "lb"), eps=0.05), UCB1(discount=1.0)])
def test_the_bandit_tries_each_domain_and_turns_to_the_one_that_teaches(method):
    bandit = method.open(prompts(), 3)
    assert isinstance(bandit, Curriculum)
    first = bandit.draw(3)
    assert {i % 3 for i in first} == {0, 1, 2}
    drawn = []
    for i in first:
        bandit.observe(found(i, [1, 0, 1, 0] if i % 3 == 1 else [0, 0, 0, 0]))
    for _ in range(60):
        [i] = bandit.draw(1)
        drawn.append(i % 3)
        bandit.observe(found(i, [1, 0, 1, 0] if i % 3 == 1 else [0, 0, 0, 0]))
    assert drawn.count(1) > 40
    assert bandit.state()["pending"] == [0, 0, 0]


def test_a_batch_is_spread_and_failed_groups_are_no_pull():
    bandit = UCBoost().open(prompts(), 3)
    assert sorted(i % 3 for i in bandit.draw(6)) == [0, 0, 1, 1, 2, 2]
    bandit.observe(found(0, [None, None]))
    assert bandit.state()["pending"] == [1, 2, 2]
    assert bandit.state()["pulls"] == [0, 0, 0]


def test_wrong_settings_and_states_are_refused():
    for wrong in ({"eps": 0.0}, {"eps": 1.0}, {"distances": ()}, {"c": -1.0}, {"discount": 0.0}, {"discount": 1.1}):
        with pytest.raises(SteelyardError, match="ucboost"):
            UCBoost(**wrong)
    with pytest.raises(SteelyardError, match="ucb1"):
        UCB1(discount=2.0)
    bandit = UCBoost().open(prompts(), 0)
    for change in ({"pulls": [1.0]}, {"walked": [1]}, {"walked": [-1, 0, 0]}, {"more": 1}, {"pending": None}):
        with pytest.raises(SteelyardError, match="curriculum state"):
            bandit.restore({**bandit.state(), **change})
