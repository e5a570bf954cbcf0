"""Chains of sums on a ten-hour clock, with a rule that judges every step: right answers may have wrong steps.

Differs: no paper, this world is ours.

    2+1+3+3+1+8        the problem: begin with the last number and add the others from the left, modulo 10
    2=01=13=43=71=8    worked out: add 2 to reach 0, add 1 to reach 1, add 3 to reach 4, and so on
    2=01~63=93=21=3    one step guessed (0+1 is not 6, which is five off): the answer is wrong
    2=01~63=93~71=8    two steps guessed: the errors cancel, and the answer is right for the wrong reason

A step is a number, a sign and a digit. It is right where the number is the problem's next one and the digit is the sum
with what was written before; which sign it has does not matter. Reward is 1 for the right last digit and 0 otherwise.
`reward_T` is +1 or -1 at the digit of each step and 0 elsewhere, provided that each character is one token; else there
are no labels. The part `flawless` is 1 where every step is right, and `wrong_steps` counts those that are not.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Annotated

import numpy as np
from msgspec import Meta

from steelyard.core import Episode, Prompt, Score, checked, rng
from steelyard.policy import Policy
from steelyard.task.base import check_split
from steelyard.task.drawn import distinct
from steelyard.worlds.sync_loop import imitate, tiny_policy
from steelyard.worlds.text_world import TextWorld

CLOCK = 10
STEPS = 5
LARGEST = 3
OFF = CLOCK // 2
"""How far off a guessed step is: half the clock, so that two cancel."""
GUESSED = 0.4
"""Share of the steps that the base model is shown guessed."""
CHARACTERS = "0123456789+=~"
HELD_OUT_SHARE = 0.1
_CHAIN = re.compile(rf"(?:\d[=~]\d){{{STEPS}}}")


@checked("checkable-steps")
@dataclass(frozen=True)
class CheckableSteps:
    """Five-step sums on a clock; reward 1 for the right end, and a label for every step."""

    problems: Annotated[int, Meta(ge=1, le=2000)] = 2000
    """Training problems; there are 2430 in all."""
    held_out: Annotated[int, Meta(ge=1, le=200)] = 200
    """Held-out problems; which problems may be trained on is decided by a hash of the problem."""
    data_seed: int = 0
    """Of the choice of problems."""

    def prompts(self, split: str) -> Sequence[Prompt]:
        """Distinct problems, each with its numbers and its answer as columns; always the same for a seed.

        Raises:
            SteelyardError: there is no such split.
        """
        check_split(split)
        number = self.problems if split == "train" else self.held_out
        draws = rng(self.data_seed, "chains", split)
        chains = (numbers for _ in count() for numbers in draw_numbers(draws, 2 * number))
        drawn = ((problem(n), {"numbers": n, "answer": sum(n) % CLOCK}) for n in chains)
        return distinct(drawn, number, split, HELD_OUT_SHARE)

    def demonstration(self, prompt: Prompt) -> str:
        """The chain without a guess."""
        return solution(prompt.columns["numbers"], [False] * STEPS)

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """The reward and the steps' labels; a completion that is no whole chain has reward 0 and no label."""
        return [_score(e) for e in episodes]


def draw_numbers(draws: np.random.Generator, number: int) -> list[list[int]]:
    """The numbers of so many problems, which may repeat: those to add, then the one to begin with."""
    terms = draws.integers(1, LARGEST + 1, size=(number, STEPS))
    start = draws.integers(0, CLOCK, size=(number, 1))
    return np.concatenate([terms, start], axis=1).tolist()


def problem(numbers: Sequence[int]) -> str:
    """The text of a problem."""
    return "+".join(map(str, numbers))


def solution(numbers: Sequence[int], guessed: Sequence[bool]) -> str:
    """The chain of a problem in which some steps are guessed: what a base model is trained on."""
    *terms, at = numbers
    text = ""
    for term, guess in zip(terms, guessed, strict=True):
        at = (at + term + (OFF if guess else 0)) % CLOCK
        text += f"{term}{'~' if guess else '='}{at}"
    return text


def base(task: CheckableSteps, seed: int, steps: int = 600) -> Policy:
    """A model that works out a step or guesses it, both as it saw them done: four steps in ten were guessed."""
    policy = tiny_policy(CHARACTERS, seed=seed, width=48, layers=2, heads=4, context=32)
    draws = rng(seed, "base")
    held_out = {str(prompt.text) for prompt in task.prompts("held-out")}
    seen = [numbers for numbers in draw_numbers(draws, 12_800) if problem(numbers) not in held_out]
    given = [(problem(numbers), solution(numbers, (draws.random(STEPS) < GUESSED).tolist())) for numbers in seen]
    imitate(policy, given, steps=steps, batch=64, learning_rate=5e-3, seed=seed)
    return policy


def steps_right(numbers: Sequence[int], chain: str) -> list[bool]:
    """For each step of a whole chain, whether it follows from what is written before it."""
    *terms, start = numbers
    copied = map(int, chain[::3])
    written = [start, *map(int, chain[2::3])]
    steps = zip(terms, copied, written[:-1], written[1:], strict=True)
    return [term == copy and (before + term - after) % CLOCK == 0 for term, copy, before, after in steps]


def _score(episode: Episode) -> Score:
    trajectory = episode.trajectory
    chain = episode.completion
    reward_T = np.zeros(len(trajectory.tokens_T), np.float32)
    if trajectory.finish != "stop" or not _CHAIN.fullmatch(chain):
        return Score(0.0, {"flawless": 0.0}, reward_T=reward_T)
    columns = episode.prompt.columns
    right = steps_right(columns["numbers"], chain)
    places = np.flatnonzero(trajectory.action_T)
    if len(places) == len(chain) + 1:  # its characters and the end of sequence: one token each
        reward_T[places[2:-1:3]] = np.where(right, 1.0, -1.0)
    value = float(int(chain[-1]) == columns["answer"])
    return Score(value, {"flawless": float(all(right)), "wrong_steps": float(STEPS - sum(right))}, reward_T=reward_T)


WORLD = TextWorld(
    lambda seed: CheckableSteps(), lambda task, seed: base(task, seed, 500), max_tokens=3 * STEPS + 1, steps=24
)
