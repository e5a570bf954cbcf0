"""A guessing game: the policy guesses a number, is told whether it is higher or lower, and guesses again.

    12-26:                          the prompt: the number is one of 15 in a row
    19   higher                     a turn of the policy, and what the environment answers
    23   lower
    21                              found: the episode ends with reward 1; after 4 wrong guesses with reward 0

Halving the range finds every number within four guesses. A player who ignores the answers names four numbers that do
not depend on them:

    best blind score = max over sets S of 4 numbers of |S| / 15 = 26.7 %        (`best_blind_score` tries all sets)

The number is not in the prompt's text: 15 prompts read the same, and differ in what they hide.

The base model (`steelyard build-base guessing`) mostly counts up from the lower end or guesses at random, and halves
the range now and then: post-training selects that habit.
Source: none, this world is ours.
"""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated

from msgspec import Meta

from steelyard.core import Environment, Episode, Positive, Prompt, Score, hash_share, method, outcomes
from steelyard.task.base import SPLITS, take_split

NUMBERS = 15
"""Numbers in a range."""
LOWEST = 1
HIGHEST = 99
HELD_OUT_SHARE = 0.2


@method("guessing")
@dataclass(frozen=True)
class Guessing:
    """Find a number among 15 within four guesses, each answered by higher or lower; reward 1 if it is found."""

    max_turns: Annotated[int, Meta(ge=1, le=NUMBERS)] = 4
    """Guesses in a game."""
    deadline_s: Positive = 30.0
    """Seconds that the environment may take for an answer."""

    def prompts(self, split: str) -> Sequence[Prompt]:
        """Every range of a split with each number that it may hide, under `number`; a hash of the range decides."""
        splits = {name: [p for low in lows(name) for p in _hidden_in(low)] for name in SPLITS}
        return take_split(splits, split)

    def environment(self, prompt: Prompt, sample: int) -> Environment:
        """A game about the prompt's number."""
        return Game(self.max_turns)

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """What the games ended with."""
        return outcomes(episodes)

    def style(self, completion: str) -> str:
        """How the first two guesses follow each other: halving, counting or other."""
        guesses = [int(guess) for guess in re.findall(r"\d{1,9}", completion)]
        if len(guesses) < 2:
            return "one guess"
        step = abs(guesses[1] - guesses[0])
        return {1: "counting", (NUMBERS + 1) // 4: "halving"}.get(step, "other")


class Game:
    """One game: tells whether the number is higher or lower than the guess."""

    def __init__(self, max_turns: int) -> None:
        self._left = max_turns
        self._number = 0

    def reset(self, prompt: Prompt) -> str:
        """The range."""
        self._number = int(prompt.columns["number"])
        return str(prompt.text)

    def step(self, completion: str) -> str | Score:
        """`higher `, `lower `, or the end: 1 if the guess is right, 0 if it was the last one or is no number."""
        self._left -= 1
        if not re.fullmatch(r"[0-9]{1,9}", completion):
            return Score(0.0)
        guess = int(completion)
        if guess == self._number or not self._left:
            return Score(float(guess == self._number), read=completion, read_from="last guess")
        return "higher " if self._number > guess else "lower "

    def truncate(self, completion: str) -> Score:
        """0: a guess that does not end finds nothing."""
        return Score(0.0)


@cache
def lows(split: str) -> list[int]:
    """The lower ends of a split's ranges."""
    every = range(LOWEST, HIGHEST - NUMBERS + 2)
    return [low for low in every if (hash_share(range_text(low)) < HELD_OUT_SHARE) == (split != "train")]


def range_text(low: int) -> str:
    """The prompt of the range that begins with `low`."""
    return f"{low}-{low + NUMBERS - 1}:"


def _hidden_in(low: int) -> list[Prompt]:
    text = range_text(low)
    return [Prompt(f"{text}{number}", text, {"number": number}) for number in range(low, low + NUMBERS)]


def best_blind_score(max_turns: int = 4, numbers: int = NUMBERS) -> float:
    """The highest mean reward of a player whose guesses do not depend on the answers, by trying every such player.

    A player without randomness is a set of at most `max_turns` numbers; one with randomness is a mixture of these, and
    so no better than the best.
    """
    players = itertools.combinations(range(numbers), max_turns)
    return max(sum(number in player for number in range(numbers)) / numbers for player in players)
