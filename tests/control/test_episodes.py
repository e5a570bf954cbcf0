from steelyard.check.control import Corridor
from steelyard.control import play
from steelyard.control.episodes import random_controller


def test_an_episode_by_hand():
    right, left = (play(Corridor(), lambda o, d, a=a: a, 2, seed=0) for a in (1, 0))
    assert [e.value for e in right] == [1.0, 1.0]
    assert (right[0].rewards, right[0].done) == ([0.0, 0.0, 0.0, 1.0], True)
    assert (left[0].value, len(left[0].rewards), left[0].done) == (0.0, 8, False)


def test_an_episode_does_not_depend_on_how_many_there_are():
    system = Corridor()
    few, many = (play(system, random_controller(system), n, seed=3) for n in (2, 5))
    assert [e.actions for e in few] == [e.actions for e in many[:2]]
    assert len({tuple(e.actions) for e in many}) > 1
