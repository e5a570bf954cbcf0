"""Episodes of a controller on a system: their returns and costs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from steelyard.control.system import Action, Controller, System
from steelyard.core import rng

S = TypeVar("S")


@dataclass(frozen=True)
class Episode:
    """One episode."""

    rewards: Sequence[float]
    costs: Sequence[float]
    actions: Sequence[Action]
    done: bool
    """Whether it ended by itself."""

    @property
    def value(self) -> float:
        """The sum of rewards: no discount."""
        return float(sum(self.rewards))

    @property
    def cost(self) -> float:
        """The sum of costs."""
        return float(sum(self.costs))


def play(system: System[S], controller: Controller, number: int, *, seed: int) -> list[Episode]:
    """So many episodes; each has random numbers of its own, so one does not depend on how many there are."""
    return [_one(system, controller, rng(seed, "episode", i)) for i in range(number)]


def _one(system: System[S], controller: Controller, draws: np.random.Generator) -> Episode:
    state = system.reset(draws)
    rewards: list[float] = []
    costs: list[float] = []
    actions: list[Action] = []
    done = False
    while not done and len(rewards) < system.horizon:
        action = controller(system.observe(state), draws)
        step = system.step(state, action, draws)
        state = step.state
        done = step.done
        rewards.append(step.reward)
        costs.append(step.cost)
        actions.append(action)
    return Episode(rewards, costs, actions, done)


def random_controller(system: System[S]) -> Controller:
    """Any action alike."""

    def act(observation: np.ndarray, draws: np.random.Generator) -> Action:
        if system.continuous:
            return draws.uniform(-1, 1, system.num_actions).astype(np.float32)
        return int(draws.integers(system.num_actions))

    return act
