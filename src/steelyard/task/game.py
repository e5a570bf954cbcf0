"""What a game that is played in text offers, whoever wrote it, and what one is asked for.

    game.reset(7)              what the player reads first, where 7 decides what is drawn
    game.step("right")         Told(text, reward, done)

`games.py` opens one by its name.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from steelyard.core import SteelyardError
from steelyard.core.json import JsonMapping

FLAG = "--game"
SETTINGS = "--settings"


class Told(NamedTuple):
    """What follows a move."""

    text: str
    """What the player reads next; whoever ends a game need not say anything."""
    reward: float
    done: bool


@runtime_checkable
class Game(Protocol):
    """One game at a time; `reset` begins another. Whatever a method raises ends the episode without a reward."""

    def reset(self, seed: int) -> str:
        """Begin a game; `seed` decides what is drawn."""
        ...

    def step(self, said: str) -> Told:
        """Make a move."""
        ...

    def close(self) -> None:
        """Leave what was opened."""
        ...


@dataclass(frozen=True)
class Asked:
    """What the user says of a game."""

    name: str
    """Its name after the source."""
    settings: JsonMapping
    actions: tuple[str, ...]
    """Names of its choices, in the order of their numbers; empty where moves are texts."""
    deadline_s: float
    """Seconds that a wait for it may take."""


def takes_no_actions(asked: Asked, source: str) -> None:
    """Refuse names of choices where moves are texts.

    Raises:
        SteelyardError: there are some.
    """
    if asked.actions:
        what = f"{source} takes moves as texts"
        raise SteelyardError(what, where="--actions", hint="leave it out")
