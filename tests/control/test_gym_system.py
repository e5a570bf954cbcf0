"""Environments of gymnasium as systems: pure, scaled, and refused where they do not fit."""

import numpy as np
import pytest

pytest.importorskip("gymnasium")

from steelyard.check.control import SYSTEM_CHECKS
from steelyard.control import Delayed, play
from steelyard.control.gym_system import GymSystem
from steelyard.core import SteelyardError, rng


@pytest.mark.parametrize("name", ["CartPole-v1", "Pendulum-v1", "CliffWalking-v1"])
def test_it_keeps_the_contract_of_a_system(name: str) -> None:
    system = GymSystem(name, '{"max_episode_steps": 12}')
    for check in SYSTEM_CHECKS.values():
        check(system)
        check(Delayed(system, 2))


def test_sizes_and_the_pole_falls() -> None:
    system = GymSystem("CartPole-v1")
    assert (system.observation_size, system.num_actions, system.continuous, system.horizon) == (4, 2, False, 500)
    (episode,) = play(system, lambda seen, draws: 1, 1, seed=0)
    assert episode.done and episode.value == len(episode.rewards) < 20, "one point a step, pushed one way it falls soon"


def test_actions_are_scaled_to_the_limits() -> None:
    system = GymSystem("Pendulum-v1")
    state = system.reset(rng(0, "pendulum"))
    assert (system.num_actions, system.continuous, system.horizon) == (1, True, 200)
    scaled = [float(system._own(np.array([x]))[0]) for x in (-1.0, 0.0, 1.0, 3.0)]
    assert scaled == [-2.0, 0.0, 2.0, 2.0]
    assert system.step(state, np.array([0.5]), rng(1, "pendulum")).reward < 0


@pytest.mark.parametrize(
    ("env", "settings", "said"),
    [
        ("", "{}", "--env: is missing"),
        ("NoSuch-v0", "{}", "NoSuch-v0 cannot be made"),
        ("no_such_module:X-v0", "{}", "cannot be made"),
        ("CartPole-v1", "[1", "cannot be made"),
        ("CartPole-v1", '{"nothing": 1}', "cannot be made"),
    ],
)
def test_what_does_not_fit_is_refused(env: str, settings: str, said: str) -> None:
    with pytest.raises(SteelyardError, match=said):
        GymSystem(env, settings).horizon  # noqa: B018
