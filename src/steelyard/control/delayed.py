"""A system that is seen late: the controller gets an old state and its own actions since then.

    o_t = (observe(s_{t-d}), a_{t-d}, ..., a_{t-1}),    d steps of delay

Before d steps have passed it gets the first state, and zeros for actions that were not taken. With these actions the
observation is a Markov state again (the augmented state).
Source: Katsikopoulos and Engelbrecht 2003, doi:10.1109/TAC.2003.809799.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from jaxtyping import Float

from steelyard.control.system import Action, Step, System
from steelyard.core import require

S = TypeVar("S")


@dataclass(frozen=True)
class Late(Generic[S]):
    """A state with its past."""

    states: tuple[S, ...]
    """The last d + 1 states, the oldest first; fewer at the beginning of an episode."""
    actions: tuple[Action, ...]
    """The last d actions, likewise."""


@dataclass(frozen=True)
class Delayed(Generic[S]):
    """Another system, seen `delay` steps late."""

    system: System[S]
    delay: int = 1
    """Steps; 0 changes nothing but the form of the state."""

    def __post_init__(self) -> None:
        require(self.delay >= 0, f"is {self.delay}", where="delayed.delay", hint="use 0 or more")

    @property
    def horizon(self) -> int:
        """The system's."""
        return self.system.horizon

    @property
    def num_actions(self) -> int:
        """The system's."""
        return self.system.num_actions

    @property
    def continuous(self) -> bool:
        """The system's."""
        return self.system.continuous

    @property
    def observation_size(self) -> int:
        """The system's, and as many numbers for each action since: one for each choice, or for each number."""
        return self.system.observation_size + self.delay * self.num_actions

    def reset(self, draws: np.random.Generator) -> Late[S]:
        """A first state, without a past."""
        return Late((self.system.reset(draws),), ())

    def step(self, state: Late[S], action: Action, draws: np.random.Generator) -> Step[Late[S]]:
        """The system's step; reward and cost are not delayed."""
        step = self.system.step(state.states[-1], action, draws)
        states = (*state.states, step.state)[-self.delay - 1 :]
        actions = (*state.actions, action)[max(len(state.actions) + 1 - self.delay, 0) :]
        return Step(Late(states, actions), step.reward, step.cost, step.done)

    def observe(self, state: Late[S]) -> Float[np.ndarray, "O"]:
        """The oldest state that is kept, and the actions since."""
        seen = self.system.observe(state.states[0])
        missing = self.delay - len(state.actions)
        rows = [np.zeros(self.num_actions, np.float32)] * missing + [self._row(a) for a in state.actions]
        return np.concatenate([seen, *rows]).astype(np.float32)

    def _row(self, action: Action) -> np.ndarray:
        if self.continuous:
            return np.asarray(action, np.float32)
        return (np.arange(self.num_actions) == action).astype(np.float32)
