"""Episodes of several turns that a scripted player played, as trajectories to imitate: how a base model learns."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np

from steelyard.core import Prompt, Score, Trajectory
from steelyard.learner.demonstrations import given


@runtime_checkable
class Game(Protocol):
    """An environment that answers at once, in text."""

    def reset(self, prompt: Prompt) -> str:
        """The first observation."""
        ...

    def step(self, completion: str) -> str | Score:
        """The next observation, or the end."""
        ...


def episode(
    game: Game, prompt: Prompt, player: Callable[[str], str], encode: Callable[[str], list[int]], end: int
) -> Trajectory:
    """One episode; the tokens of the player's turns are its actions.

    Args:
        game: the environment.
        prompt: what it begins with.
        player: gives each turn, told what was answered to the last one; empty before the first.
        encode: a text's tokens.
        end: the token that ends a turn.
    """
    tokens = [*encode(game.reset(prompt))]
    action = [False] * len(tokens)
    answer: str | Score = ""
    while isinstance(answer, str):
        said = player(answer)
        turn = [*encode(said), end]
        answer = game.step(said)
        told = encode(answer) if isinstance(answer, str) else []
        tokens += [*turn, *told]
        action += [*[True] * len(turn), *[False] * len(told)]
    return given(prompt.id, tokens, (), reward=1.0).replace(action_T=np.array(action))
