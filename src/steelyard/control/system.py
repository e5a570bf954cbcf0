"""What a system is: states that actions change, with a reward and a cost for each step.

    s' ~ P(s' | s, a),   reward r(s, a, s'),   cost c(s, a, s') >= 0,   observation o = observe(s)

A system holds no state of its own: it gives states and takes them, and draws from the generator that it is handed, so
that a model, a shield or a planner can ask "what if" without copying anything. S numbers an observation has, and an
action is one of A (a whole number), or A numbers from -1 to 1 where the system is continuous.
"""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Float

S = TypeVar("S")
Action = int | Float[np.ndarray, "A"]


@dataclass(frozen=True)
class Step(Generic[S]):
    """What an action led to."""

    state: S
    reward: float
    cost: float = 0.0
    """What a constraint bounds: its sum over an episode, or its being above 0 at all."""
    done: bool = False
    """The episode ended by itself, not at the horizon."""


@runtime_checkable
class System(Protocol[S]):
    """A system that a controller acts on. Settings are fields; it is a frozen dataclass."""

    @property
    def horizon(self) -> int:
        """Steps after which an episode ends at the latest."""
        ...

    @property
    def observation_size(self) -> int:
        """Numbers of an observation."""
        ...

    @property
    def num_actions(self) -> int:
        """How many actions there are, or how many numbers an action has."""
        ...

    @property
    def continuous(self) -> bool:
        """Whether an action is numbers from -1 to 1."""
        ...

    def reset(self, draws: np.random.Generator) -> S:
        """A first state."""
        ...

    def step(self, state: S, action: Action, draws: np.random.Generator) -> Step[S]:
        """What follows; the state that was given is not changed."""
        ...

    def observe(self, state: S) -> Float[np.ndarray, "O"]:
        """What a controller sees of a state."""
        ...


@runtime_checkable
class Controller(Protocol):
    """Chooses actions: a function of what it sees, and of draws."""

    def __call__(self, observation: Float[np.ndarray, "O"], draws: np.random.Generator) -> Action:
        """The action."""
        ...


@runtime_checkable
class Learner(Protocol):
    """Settings of a way to learn a controller; a frozen dataclass."""

    def fit(self, system: System, *, seed: int) -> Controller:
        """Learn a controller of the system. Equal systems and seeds give equal controllers."""
        ...
