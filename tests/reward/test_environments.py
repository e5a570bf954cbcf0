"""Reward functions of TRL that ask for `environments`: objects here, and their plain attributes in a worker."""

import threading
from dataclasses import replace

import hostile_rewards
import pytest

from steelyard.core import SteelyardError
from steelyard.core.copies import own_episodes
from steelyard.reward import EnvironmentReward, FunctionReward, PlayedScore, reward_function
from steelyard.reward.environments import asks_for_environments, plain_attributes

BOTH = pytest.mark.parametrize("named", [False, True], ids=["callable", "named"])


class Furniture:
    """What a desk inherits."""

    reward = 0.25


class Desk(Furniture):
    """An object with tools, after an episode."""

    reward = 0.5
    table = ("a", 1)

    def __init__(self, asked=0):
        self.asked = asked
        self.client = threading.Lock()  # what can be neither copied nor sent
        self._kept = 1

    @property
    def half(self):
        return self.asked / 2

    def look_up(self):
        return self.asked


@pytest.fixture
def played(episode):
    """`played(made)`: an episode that was played with the object."""
    return lambda made, **columns: replace(episode("a", **columns), outcome=PlayedScore(None, environment=made))


def given(name, named):
    return reward_function(f"hostile_rewards:{name}" if named else getattr(hostile_rewards, name))


@BOTH
@pytest.mark.parametrize("name", ["of_environments", "of_environments_later"])
def test_each_episode_brings_its_own(played, named, name):
    # .5 of the class, and what was asked of each object: .5 + 0, .5 + 2
    with given(name, named) as reward:
        scores = reward(own_episodes([played(Desk(), answer="a"), played(Desk(2), answer="b")]))
    assert [score.value for score in scores] == [0.5, 2.5]


def test_several_rewards_see_them(played):
    f = hostile_rewards.of_environments
    (score,) = reward_function([f, (f, 2.0)])([played(Desk(2))])
    assert score.value == 2.5 + 2 * 2.5


def test_a_callable_gets_the_object_itself(played):
    made, seen = Desk(), []

    def f(environments, **columns):
        seen.append((environments, columns.keys()))
        return [0.0]

    reward_function(f)([played(made, answer="a")])
    assert seen == [([made], {"prompts", "completions", "answer"})]


def test_who_does_not_ask_is_given_none(played):
    assert reward_function(lambda prompts, completions: [1.0])([played(Desk())])[0].value == 1.0


def test_in_a_worker_what_is_not_plain_is_an_error_that_says_so(played):
    with given("client_of_environments", True) as reward:
        (score,) = reward([played(Desk())])
    assert score.value is None
    assert "there is no 'client': in a process of its own a function sees an object's plain attributes" in score.error


def test_plain_attributes():
    assert vars(plain_attributes(Desk(3))) == {"reward": 0.5, "table": ("a", 1), "asked": 3}
    assert vars(plain_attributes(object())) == {}


@BOTH
def test_where_nothing_was_played_there_are_none(episode, named):
    with given("of_environments", named) as reward, pytest.raises(SteelyardError, match="argument: 'environments'"):
        reward([episode("a")])


def test_a_column_of_that_name_goes_before(played):
    def f(environments, **columns):
        return [float(one) for one in environments]

    assert reward_function(f)([played(Desk(), environments=7)])[0].value == 7.0


def test_who_asks_is_known_beforehand():
    f, named = hostile_rewards.of_environments, "hostile_rewards:of_environments"
    assert asks_for_environments(reward_function([hostile_rewards.pid, f]))
    assert not asks_for_environments(reward_function(named))
    assert not asks_for_environments(FunctionReward(min))


def test_objects_are_looked_through_for_functions_that_ask_alone(played, monkeypatch):
    names = ("hostile_rewards:of_environments", "hostile_rewards:pid", "builtins:print", "no_such_module:f")
    assert [EnvironmentReward(name)._asks for name in names] == [True, False, False, False]
    monkeypatch.setattr("steelyard.reward.environments.plain_attributes", lambda made: 1 / 0)
    with given("pid", True) as reward:
        (score,) = reward([played(Desk())])
    assert score.error is None
