"""Checks for systems and for learners of controllers."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Generic, TypeVar

import numpy as np
import torch

from steelyard.check.verdict import Check, demand
from steelyard.control import Controller, Step, System, play
from steelyard.control.learning import SteppedLearner
from steelyard.control.system import Action, Learner
from steelyard.core import rng

S = TypeVar("S")
UPDATES = 2
ACTS = 40


@dataclasses.dataclass(frozen=True)
class Corridor:
    """Five places in a row; action 1 goes right, 0 left, and the last place pays 1 and ends."""

    horizon: int = 8
    observation_size: int = 5
    num_actions: int = 2
    continuous: bool = False

    def reset(self, draws: np.random.Generator) -> int:
        """The first place."""
        return 0

    def step(self, state: int, action: Action, draws: np.random.Generator) -> Step[int]:
        """The next place."""
        place = min(max(state + (1 if action == 1 else -1), 0), 4)
        return Step(place, float(place == 4), done=place == 4)

    def observe(self, state: int) -> np.ndarray:
        """The place, one of five."""
        return (np.arange(5) == state).astype(np.float32)


class Recorded(Generic[S]):
    """Any action alike, by its own stream."""

    def __init__(self, system: System[S]) -> None:
        self._system = system

    def __call__(self, observation: np.ndarray, draws: np.random.Generator) -> Action:
        """The action."""
        if self._system.continuous:
            return draws.uniform(-1, 1, self._system.num_actions).astype(np.float32)
        return int(draws.integers(self._system.num_actions))


def system_sizes(system: System[S]) -> None:
    """Observations have the promised size, are finite, and float32; costs are not negative."""
    draws = rng(0, "check")
    state = system.reset(draws)
    act = Recorded(system)
    for _ in range(min(system.horizon, 20)):
        seen = system.observe(state)
        demand(seen.shape == (system.observation_size,), f"an observation has the shape {seen.shape}")
        demand(seen.dtype == np.float32, f"an observation is {seen.dtype}")
        demand(bool(np.isfinite(seen).all()), "an observation is not finite")
        step = system.step(state, act(seen, draws), draws)
        demand(np.isfinite(step.reward) and step.cost >= 0, f"reward {step.reward}, cost {step.cost}")
        state = step.state
        if step.done:
            break


def system_pure(system: System[S]) -> None:
    """A step from one state with one action and equal draws gives the same, and leaves the state as it was."""
    state = system.reset(rng(0, "check"))
    seen = system.observe(state)
    action = Recorded(system)(seen, rng(1, "check"))
    first, second = (system.step(state, action, rng(2, "check")) for _ in range(2))
    same = np.array_equal(system.observe(first.state), system.observe(second.state))
    demand(same and first.reward == second.reward, "two steps from one state with equal draws differ")
    demand(np.array_equal(seen, system.observe(state)), "a step changes the state that it was given")


def system_ends(system: System[S]) -> None:
    """Episodes are finite, and a function of the seed."""
    first, second = (play(system, Recorded(system), 3, seed=5) for _ in range(2))
    demand([e.value for e in first] == [e.value for e in second], "equal seeds give other episodes")
    demand(all(0 < len(e.rewards) <= system.horizon for e in first), "an episode passes the horizon, or has no step")


def controller_learns(learner: Learner) -> None:
    """It finds the end of a corridor of five places, and its actions are among those that there are."""
    episodes = play(Corridor(), learner.fit(Corridor(), seed=3), 4, seed=0)
    demand(all(a in (0, 1) for e in episodes for a in e.actions), "an action is none of the system's")
    demand(all(e.value == 1.0 for e in episodes), f"it reaches the end in {sum(e.value for e in episodes):.0f} of 4")


def controller_seeded(learner: Learner) -> None:
    """Equal seeds give equal controllers, whatever the global generators do; they are left alone, too.

    A few updates suffice, where it learns by updates: what is drawn wrongly shows in the first.
    """
    before = torch.get_rng_state()
    first, second = _acts_after_few(learner), _acts_after_few(learner)
    demand(torch.equal(before, torch.get_rng_state()), "it draws from torch's global generator")
    demand(first == second, "two fits with one seed act differently")


def _acts_after_few(learner: Learner) -> list[Action]:
    """What a controller does in each place, many times, since one that has hardly learned acts almost at random."""
    controller = _after_few(learner) if isinstance(learner, SteppedLearner) else learner.fit(Corridor(), seed=3)
    draws = rng(0, "check")
    return [controller(place, draws) for place in np.eye(5, dtype=np.float32) for _ in range(ACTS)]


def _after_few(learner: SteppedLearner) -> Controller:
    learning = learner.begin(Corridor(), seed=3, updates=UPDATES)
    while learning.updates < learning.num_updates:
        learning.step()
    return learning.controller


SYSTEM_CHECKS: Mapping[str, Check] = MappingProxyType(
    {"system-sizes": system_sizes, "system-pure": system_pure, "system-ends": system_ends}
)
CONTROLLER_CHECKS: Mapping[str, Check] = MappingProxyType(
    {"controller-learns": controller_learns, "controller-seeded": controller_seeded}
)
