"""A gridworld with slips, delay and constraints: five by five places, a goal, and water that costs.

    S . . . .        S start, G goal: reaching it pays 1 and ends the episode; every step costs 0.02 of reward
    . . W W .        W water: a cost of 1 for each step that ends there, and no reward
    . . W W .        a move goes astray with chance `slip`, to either side alike; a wall keeps one where one is
    . . . . .
    W . . . G

Four actions: up, right, down, left; 30 steps at most. An observation has one number for each place. The short ways
along the water get wet by slips: reward and cost pull apart.
Known exactly: the law (`law`), so the value of every policy, the best return and the best policy for each number of
steps left (`control.tabular`); with a delay of d the observation has the last d actions beside an old place, and
`control.Delayed` makes the system of it.
For cards of control: delay, constraints, inverse and offline learning, shields.
Source: none, this world is ours.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta

from steelyard.control import Law, Step, value_of
from steelyard.control.system import Action
from steelyard.core import Share, checked
from steelyard.worlds.control_world import ControlWorld

SIDE = 5
PLACES = SIDE * SIDE
START = 0
GOAL = PLACES - 1
WATER = (7, 8, 12, 13, 20)
MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))
STEP_REWARD = -0.02


@checked("gridworld")
@dataclass(frozen=True)
class Gridworld:
    """Find the goal and keep dry."""

    slip: Share = 0.1
    """Chance that a move goes astray."""
    horizon: Annotated[int, Meta(ge=1, le=1000)] = 30
    """Steps of an episode at most."""

    @property
    def observation_size(self) -> int:
        """One for each place."""
        return PLACES

    @property
    def num_actions(self) -> int:
        """Up, right, down, left."""
        return len(MOVES)

    @property
    def continuous(self) -> bool:
        """No."""
        return False

    def reset(self, draws: np.random.Generator) -> int:
        """The start."""
        return START

    def step(self, state: int, action: Action, draws: np.random.Generator) -> Step[int]:
        """Where the move leads."""
        turn = 0 if draws.random() >= self.slip else int(draws.choice([-1, 1]))
        place = moved(state, (int(action) + turn) % len(MOVES))
        return Step(place, float(place == GOAL) + STEP_REWARD, float(place in WATER), place == GOAL)

    def observe(self, state: int) -> np.ndarray:
        """1 at the place, else 0."""
        return (np.arange(PLACES) == state).astype(np.float32)

    def law(self) -> Law:
        """The law. The goal leads to itself and pays nothing more."""
        p_SAS = np.zeros((PLACES, len(MOVES), PLACES))
        for place in range(PLACES):
            for action in range(len(MOVES)):
                for turn, p in ((0, 1 - self.slip), (-1, self.slip / 2), (1, self.slip / 2)):
                    to = place if place == GOAL else moved(place, (action + turn) % len(MOVES))
                    p_SAS[place, action, to] += p
        reward_SAS = np.full(p_SAS.shape, STEP_REWARD)
        reward_SAS[:, :, GOAL] += 1.0
        reward_SAS[GOAL] = 0.0
        return Law(p_SAS, reward_SAS, np.eye(PLACES)[START])


def moved(place: int, move: int) -> int:
    """The place that a move leads to from another, where nothing goes astray."""
    row, column = divmod(place, SIDE)
    down, right = MOVES[move]
    return SIDE * min(max(row + down, 0), SIDE - 1) + min(max(column + right, 0), SIDE - 1)


def best(system: Gridworld) -> float:
    """The best expected return, whatever it costs."""
    return value_of(system.law(), system.horizon)


WORLD = ControlWorld(Gridworld(), best=lambda: best(Gridworld()), calm=Gridworld(slip=0.0))
