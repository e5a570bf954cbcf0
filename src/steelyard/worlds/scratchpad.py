"""Sums on a ten-hour clock with a scratchpad of any length: most problems have a short and a long way to be right.

    0+0+0+4+0+8              an easy problem: begin with the last number, add the others from the left, modulo 10
    0=80=80=84=20=2          in full: every number is added, zeros too; the answer is the last digit
    4=2                      in short: only what is not zero
    2+1+?+5+1+8              a hard problem: one number is hidden, and is 1, 2 or 3
    2=01=13=45=91=0          in full: right if the hidden number is 3, so one time in three
    2=01=1                   too short, and seldom right

A scratchpad is up to six steps of a number, `=` and a digit. Reward is the chance that its last digit is right, given
the problem: 1 or 0 for an easy one, and for a hard one a third where a hidden number makes it right. Whatever was
written before is not judged, and brevity is free. An easy problem has one number that is not zero, a hard one five:
there the long way is the only one that is sure of its third. The part `steps` counts those written, `easy` is 1 for an
easy problem.
Source: none, this world is ours.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta

from steelyard.core import Episode, Prompt, Score, checked, hash_share, rng
from steelyard.policy import Policy
from steelyard.task.base import check_split
from steelyard.worlds.sync_loop import imitate, tiny_policy
from steelyard.worlds.text_world import TextWorld

CLOCK = 10
TERMS = 5
LARGEST = 5
HIDDEN = (1, 2, 3)
CHARACTERS = "0123456789+=?"
IN_FULL = {True: 0.8, False: 0.85}
"""Share of scratchpads in full that the base model is shown, for easy problems and for hard ones."""
HELD_OUT_SHARE = 0.2
_PAD = re.compile(rf"(?:\d=\d){{1,{TERMS + 1}}}")


@checked("scratchpad")
@dataclass(frozen=True)
class Scratchpad:
    """Clock sums, half of them easy; the reward is for the end of a scratchpad of any length."""

    problems: Annotated[int, Meta(ge=2, le=360, multiple_of=2)] = 360
    """Training problems."""
    held_out: Annotated[int, Meta(ge=2, le=60, multiple_of=2)] = 60
    """Held-out problems; which problems may be trained on is decided by a hash of the problem."""
    data_seed: int = 0
    """Of the choice of problems."""

    def prompts(self, split: str) -> Sequence[Prompt]:
        """Distinct problems, easy and hard ones by turns, with columns `answers`, those that may be right, and `easy`.

        Raises:
            SteelyardError: there is no such split.
        """
        check_split(split)
        number = (self.problems if split == "train" else self.held_out) // 2
        draws = rng(self.data_seed, "scratchpad", split)
        found: tuple[dict[str, Prompt], ...] = ({}, {})
        while min(map(len, found)) < number:
            easy = bool(draws.integers(2))
            numbers = draw_numbers(draws, easy)
            hidden = None if easy else int(draws.integers(TERMS))
            text = problem(numbers, hidden)
            known = sum(n for i, n in enumerate(numbers) if i != hidden)
            if (hash_share(text) < HELD_OUT_SHARE) == (split != "train"):
                answers = [(known + more) % CLOCK for more in ((0,) if easy else HIDDEN)]
                found[easy].setdefault(text, Prompt(text, text, {"answers": answers, "easy": easy}))
        return [p for pair in zip(*(list(f.values())[:number] for f in found), strict=True) for p in pair]

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """The chance that the last digit is right; what is no scratchpad, or was cut off, has no answer."""
        return [_score(e) for e in episodes]


def draw_numbers(draws: np.random.Generator, easy: bool) -> list[int]:
    """The numbers of a problem: those to add, then the one to begin with."""
    terms = draws.integers(1, LARGEST + 1, size=TERMS)
    if easy:
        terms = np.where(np.arange(TERMS) == draws.integers(TERMS), terms, 0)
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


def base(task: Scratchpad, seed: int, steps: int = 2400) -> Policy:
    """A model of both ways, that guesses what is hidden."""
    policy = tiny_policy(CHARACTERS, seed=seed, context=32)
    draws = rng(seed, "pads")
    pairs = []
    prompts = task.prompts("train")
    for i in draws.integers(len(prompts), size=6000):
        easy = prompts[i].columns["easy"]
        text = str(prompts[i].text)
        believed = [int(draws.choice(HIDDEN)) if c == "?" else int(c) for c in text.split("+")]
        left = draws.permutation(TERMS)[: int(draws.integers(1, 3))]
        short = [n > 0 if easy else i in left for i, n in enumerate(believed[:-1])]
        kept = [True] * TERMS if draws.random() < IN_FULL[easy] else short
        pairs.append((text, written(believed, kept)))
    imitate(policy, pairs, steps=steps, batch=64, learning_rate=5e-3, seed=seed)
    return policy


def _score(episode: Episode) -> Score:
    pad = episode.completion
    columns = episode.prompt.columns
    whole = episode.trajectory.finish == "stop" and _PAD.fullmatch(pad) is not None
    value = columns["answers"].count(int(pad[-1])) / len(columns["answers"]) if whole else 0.0
    return Score(value, {"steps": len(pad) / 3 if whole else 0.0, "easy": float(columns["easy"])})


WORLD = TextWorld(
    lambda seed: Scratchpad(data_seed=seed),
    lambda task, seed: base(task, seed, 800),
    max_tokens=3 * TERMS + 4,
    learning_rate=5e-4,
    absent={"SFT": "a hidden number has no right way to be written"},
)
