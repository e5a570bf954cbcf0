import numpy as np
import pytest

from steelyard.check.control import Corridor
from steelyard.control import Delayed, play
from steelyard.core import SteelyardError


def seen(system, actions):
    draws = np.random.default_rng(0)
    state = system.reset(draws)
    found = [system.observe(state).tolist()]
    for action in actions:
        state = system.step(state, action, draws).state
        found.append(system.observe(state).tolist())
    return found


def test_an_old_place_and_the_actions_since_by_hand():
    first, second, third, fourth = seen(Delayed(Corridor(), 2), [1, 1, 0])
    place = np.eye(5).tolist()
    left, right, none = [1, 0], [0, 1], [0, 0]
    assert first == place[0] + none + none
    assert second == place[0] + none + right
    assert third == place[0] + right + right
    assert fourth == place[1] + right + left


def test_without_delay_nothing_changes():
    plain = Corridor()
    assert seen(Delayed(plain, 0), [1, 0, 1, 1]) == seen(plain, [1, 0, 1, 1])


def test_rewards_are_not_delayed():
    (episode,) = play(Delayed(Corridor(), 3), lambda observation, draws: 1, 1, seed=0)
    assert episode.rewards == [0.0, 0.0, 0.0, 1.0]
    assert episode.done


def test_a_negative_delay_is_refused():
    with pytest.raises(SteelyardError, match=r"delayed\.delay: is -1; use 0 or more"):
        Delayed(Corridor(), -1)
