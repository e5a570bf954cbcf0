"""Games of TextArena for one player, by their id.

    env.reset(num_players=1, seed=7)
    env.step("[5]")  ->  done, info          the messages that are new since the last move are what the player reads
    env.close()      ->  {0: reward}, info   the reward of the whole game, at its end

Differs from TextArena: its wrappers of observations tell the whole game again after every move, where an episode keeps
what was said; so messages are taken from the environment itself, without the player's own. Wrappers of actions stay.
The games draw from Python's one generator. Here each has a state of it of its own, so that what one game draws does not
depend on the games beside it.
Source: Guertler et al. 2025, TextArena, arXiv:2504.11442. Needs the extra: pip install 'steelyard[textarena]'.
"""

import importlib.util
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from steelyard.core import SteelyardError, first_line, require
from steelyard.task.game import FLAG, Asked, Told, takes_no_actions

_HINT = "name an id for one player, such as GuessTheNumber-v0"
_ALONE = threading.Lock()
"""Held by the game that draws."""


class TextArenaGame:
    """A game for one player."""

    def __init__(self, env: Any) -> None:
        self._env = env
        self._core = _innermost(env)
        self._drawn = random.Random(0).getstate()

    def reset(self, seed: int) -> str:
        """The rules, and what the player sees first."""
        with self._drawing():
            self._env.reset(num_players=1, seed=seed)
            return self._news()

    def step(self, said: str) -> Told:
        """What the game says to a move."""
        with self._drawing():
            done, _ = self._env.step(said.strip())
            if not done:
                return Told(self._news(), 0.0, False)
            rewards, _ = self._env.close()
        require(bool(rewards) and 0 in rewards, "the game ended without a reward", where=FLAG, hint=_HINT)
        return Told("", float(rewards[0]), True)

    def close(self) -> None:
        """Nothing was opened."""

    def _news(self) -> str:
        """The messages since the last look, without the player's own."""
        player, messages = self._core.get_observation()
        return "\n".join(str(message[1]) for message in messages if message[0] != player)

    @contextmanager
    def _drawing(self) -> Iterator[None]:
        """Python's generator is in this game's state, and afterwards where it was."""
        with _ALONE:
            others = random.getstate()
            random.setstate(self._drawn)
            try:
                yield
            finally:
                self._drawn = random.getstate()
                random.setstate(others)


def make_textarena(asked: Asked) -> TextArenaGame:
    """The game of an id.

    Raises:
        SteelyardError: the extra is not installed, or there is no such game.
    """
    installed = importlib.util.find_spec("textarena") is not None
    require(installed, "textarena is not installed", where=FLAG, hint="pip install 'steelyard[textarena]'")
    takes_no_actions(asked, "TextArena")
    textarena = import_module("textarena")
    try:
        return TextArenaGame(textarena.make(asked.name, **asked.settings))
    except (ValueError, ImportError, TypeError) as error:
        what = f"TextArena cannot make {asked.name!r} ({first_line(error)})"
        raise SteelyardError(what, where=FLAG, hint=_HINT) from error


def _innermost(env: Any) -> Any:
    """The environment within its wrappers."""
    wrapper = import_module("textarena").Wrapper
    while isinstance(env, wrapper):
        env = env.env
    return env
