"""Wages, a lottery and a ladder: five steps after which the lucky have more than who did best.

    each step, one of three actions:
      work       pays `wage`, 0.5
      lottery    pays `prize`, 3, with chance `luck`, 0.1, else nothing                      luck in the reward
      ladder     leads up with chance `luck`: from then on every step pays `rise`, 1, more      luck in the state

Ten places, which an observation has one number for each of: the step, and whether one is up. A lottery is worth 0.3, a
ladder 0.4 at the first step and less later, so the best is always to work: 2.5 in all. The highest returns are those of
players who won, as rare as they are: whoever imitates what was done before high returns plays, and earns little more
than half. Luck can be told from a reward alone in the lottery, and from the next observation alone on the ladder.
Known exactly: the law (`law`), so the value of every policy and the best return (`control.tabular`).
For cards of control that condition on returns or futures.
Source: none, this world is ours; the thought is that of the Bernoulli bandit in Yang et al. 2022, arXiv:2210.13435.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta

from steelyard.control import Law, Step, value_of
from steelyard.control.system import Action
from steelyard.core import NonNegative, Share, checked
from steelyard.worlds.control_world import ControlWorld

WORK, LOTTERY, LADDER = range(3)


@checked("lottery")
@dataclass(frozen=True)
class Lottery:
    """Earn as much as is expected, not as much as is possible."""

    wage: NonNegative = 0.5
    """What work pays."""
    prize: NonNegative = 3.0
    """What a lottery pays who wins."""
    rise: NonNegative = 1.0
    """What each step pays more to who is up."""
    luck: Share = 0.1
    """Chance to win, and to get up."""
    horizon: Annotated[int, Meta(ge=1, le=100)] = 5
    """Steps of an episode."""

    @property
    def observation_size(self) -> int:
        """One for each place."""
        return 2 * self.horizon

    @property
    def num_actions(self) -> int:
        """Work, lottery, ladder."""
        return 3

    @property
    def continuous(self) -> bool:
        """No."""
        return False

    def reset(self, draws: np.random.Generator) -> int:
        """The first step, not up."""
        return 0

    def step(self, state: int, action: Action, draws: np.random.Generator) -> Step[int]:
        """What the action pays, and where it leads: place 2 t is step t, and 2 t + 1 the same up."""
        lucky = bool(draws.random() < self.luck)
        up = bool(state % 2)
        paid = self.wage if action == WORK else self.prize if action == LOTTERY and lucky else 0.0
        climbed = up or (action == LADDER and lucky)
        last = state // 2 == self.horizon - 1
        place = state if last else 2 * (state // 2 + 1) + climbed
        return Step(place, paid + self.rise * up, done=last)

    def observe(self, state: int) -> np.ndarray:
        """1 at the place, else 0."""
        return (np.arange(self.observation_size) == state).astype(np.float32)

    def law(self) -> Law:
        """The law, with what a lottery pays on average; one more place is the end."""
        places = self.observation_size + 1
        p_SAS = np.zeros((places, 3, places))
        reward_SAS = np.zeros((places, 3, places))
        p_SAS[-1, :, -1] = 1.0
        for place in range(places - 1):
            up = place % 2
            last = place // 2 == self.horizon - 1
            for action, paid in ((WORK, self.wage), (LOTTERY, self.luck * self.prize), (LADDER, 0.0)):
                rises = self.luck if action == LADDER else 0.0
                for climbed, p in ((1, max(rises, up)), (0, 1 - max(rises, up))):
                    p_SAS[place, action, -1 if last else 2 * (place // 2 + 1) + climbed] += p
                reward_SAS[place, action] = paid + self.rise * up
        return Law(p_SAS, reward_SAS, np.eye(places)[0])


def best(system: Lottery) -> float:
    """The best expected return."""
    return value_of(system.law(), system.horizon)


WORLD = ControlWorld(Lottery(), best=lambda: best(Lottery()), calm=Lottery(luck=1.0, prize=0.3, rise=0.1))
