"""Sums on a ten-hour clock with a scratchpad of any length: most problems have a short and a long way to be right.

    0+0+0+4+0+8              an easy problem: begin with the last number, add the others from the left, modulo 10
    0=80=80=84=20=2          in full: every number is added, zeros too; the answer is the last digit
    4=2                      in short: only what is not zero
    2+1+?+3+1+8              a hard problem: one number, from 1 to 3, is hidden
    2=01=13=43=71=8          right if the hidden number was 3, so one time in three
    2=01=1                   too short, and seldom right

A scratchpad is up to six steps of a number, `=` and a digit. Reward is 1 for the right last digit and 0 otherwise,
whatever was written before: only the answer is judged, and brevity is free. An easy problem has one number that is
not zero, a hard one five: there the long way is the only one, and it is worth a third. The part `steps` counts those
written, `easy` is 1 for an easy problem.
Source: none, this world is ours.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from steelyard.core import Episode, Prompt, Score, hash_share, method, require, stream, suggest
from steelyard.task.base import SPLITS

CLOCK, TERMS, LARGEST, LARGEST_EASY = 10, 5, 3, 5
CHARACTERS = "0123456789+=?"
HELD_OUT_SHARE = 0.2
_PAD = re.compile(rf"(?:\d=\d){{1,{TERMS + 1}}}")


@method("scratchpad")
@dataclass(frozen=True)
class Scratchpad:
    """Clock sums, half of them easy; reward 1 for the right end of a scratchpad of any length."""

    problems: int = 360
    """Training problems."""
    held_out: int = 60
    """Held-out problems; which problems may be trained on is decided by a hash of the problem."""
    data_seed: int = 0
    """Of the choice of problems."""

    def __post_init__(self) -> None:
        for name, most in (("problems", 360), ("held_out", 60)):
            number = getattr(self, name)
            require(
                2 <= number <= most and number % 2 == 0,
                f"{name} is {number}",
                where="scratchpad",
                mend=f"use an even number, 2 to {most}",
            )

    def prompts(self, split: str) -> Sequence[Prompt]:
        """Distinct problems, easy and hard ones by turns, with columns `numbers`, `answer` and `easy`.

        Raises:
            SteelyardError: there is no such split.
        """
        require(split in SPLITS, f"unknown split {split!r}", where="prompts", mend=suggest(split, SPLITS))
        number = (self.problems if split == "train" else self.held_out) // 2
        draws = stream(self.data_seed, "scratchpad", split)
        found: tuple[dict[str, Prompt], ...] = ({}, {})
        while min(map(len, found)) < number:
            easy = bool(draws.integers(2))
            numbers = draw_numbers(draws, easy)
            text = problem(numbers, None if easy else int(draws.integers(TERMS)))
            if (hash_share(text) < HELD_OUT_SHARE) == (split != "train"):
                columns = {"numbers": numbers, "answer": sum(numbers) % CLOCK, "easy": easy}
                found[easy].setdefault(text, Prompt(text, text, columns))
        return [p for pair in zip(*(list(f.values())[:number] for f in found), strict=True) for p in pair]

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """1 for the right last digit; what is no scratchpad, or was cut off, has no answer."""
        return [_score(e) for e in episodes]


def draw_numbers(draws: np.random.Generator, easy: bool) -> list[int]:
    """The numbers of a problem: those to add, then the one to begin with."""
    terms = draws.integers(1, LARGEST + 1, size=TERMS)
    if easy:
        terms = np.where(np.arange(TERMS) == draws.integers(TERMS), draws.integers(1, LARGEST_EASY + 1), 0)
    return [*terms.tolist(), int(draws.integers(CLOCK))]


def problem(numbers: Sequence[int], hidden: int | None = None) -> str:
    """The text of a problem, the term at place `hidden` unseen."""
    return "+".join("?" if i == hidden else str(number) for i, number in enumerate(numbers))


def written(numbers: Sequence[int], kept: Sequence[bool]) -> str:
    """The scratchpad that adds the kept terms: what a base model is trained on."""
    *terms, at = numbers
    text = ""
    for term, keep in zip(terms, kept, strict=True):
        if keep:
            at = (at + term) % CLOCK
            text += f"{term}={at}"
    return text


def _score(episode: Episode) -> Score:
    pad, columns = episode.completion, episode.prompt.columns
    whole = episode.trajectory.finish == "stop" and _PAD.fullmatch(pad) is not None
    value = float(whole and int(pad[-1]) == columns["answer"])
    return Score(value, {"steps": len(pad) / 3 if whole else 0.0, "easy": float(columns["easy"])})
