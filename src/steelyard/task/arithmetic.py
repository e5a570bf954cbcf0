"""Sums of four numbers over a character vocabulary: a skill that the shipped base model has but rarely uses.

    12+7-15+9=                     the problem; the answer is the text after the last `=`
    10                             bare: a guess, the sum to the nearest ten, right one time in ten
    >19,4=13                       left:  12+7 = 19, 19-15 = 4
    <-6,1=13                       right: -15+9 = -6, 7-6 = 1
    t0:9,4,13=13                   tens:  the tens are 0, the units add up 9, 4, 13
    p19,-6=13                      pairs: 12+7 = 19, -15+9 = -6

The base model mostly guesses. Now and then it works the answer out in one of the four ways, and is then nearly always
right. The reward is 1 for the right sum and 0 otherwise, so post-training need not teach arithmetic: it reinforces the
habit of working out.
Source: none, this world is ours.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Annotated

import numpy as np
from msgspec import Meta

from steelyard.core import Episode, Prompt, Score, hash_share, method, rng
from steelyard.task.drawn import distinct

NUMBER = r"-?\d+"
STYLES = {
    "bare": re.compile(NUMBER),
    "left": re.compile(f">{NUMBER},{NUMBER}={NUMBER}"),
    "right": re.compile(f"<{NUMBER},{NUMBER}={NUMBER}"),
    "tens": re.compile(f"t{NUMBER}:{NUMBER},{NUMBER},{NUMBER}={NUMBER}"),
    "pairs": re.compile(f"p{NUMBER},{NUMBER}={NUMBER}"),
}
LARGEST = 20
HELD_OUT_SHARE = 0.1


@method("arithmetic")
@dataclass(frozen=True)
class Arithmetic:
    """Sums of four numbers from 1 to 20; reward 1 for the right result."""

    problems: Annotated[int, Meta(ge=1, le=100_000)] = 8192
    """Training problems."""
    held_out: Annotated[int, Meta(ge=1, le=100_000)] = 512
    """Held-out problems. A hash of the problem decides its split."""
    data_seed: int = 0
    """Seed of the choice of problems."""

    def prompts(self, split: str) -> Sequence[Prompt]:
        """Distinct problems, each with its sum in the column `answer`; a function of the seed."""
        number = self.problems if split == "train" else self.held_out
        draws = rng(self.data_seed, "arithmetic", split)
        terms = (terms for _ in count() for terms in draw_terms(draws, number).tolist())
        return distinct(((problem(t), {"answer": sum(t)}) for t in terms), number, split, HELD_OUT_SHARE)

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """1 if the number after the last `=` is the sum, else 0; a truncated completion has no answer."""
        return [_score(episode) for episode in episodes]

    def demonstration(self, prompt: Prompt) -> str:
        """A worked solution, in a style that a hash of the problem chooses."""
        text = str(prompt.text)
        worked = [style for style in STYLES if style != "bare"]
        style = worked[int(hash_share(f"style of {text}") * len(worked))]
        return solution(style, [int(term) for term in re.findall(r"[+-]?\d+", text)])

    def style(self, completion: str) -> str:
        """The style of the completion, or "other"."""
        return next((name for name, form in STYLES.items() if form.fullmatch(completion)), "other")


def _score(episode: Episode) -> Score:
    answer = _answer(episode)
    if answer is None:
        return Score(0.0)
    return Score(float(answer == episode.prompt.columns["answer"]), read=_tail(episode), read_from="after the last =")


def _answer(episode: Episode) -> int | None:
    if episode.trajectory.finish != "stop":
        return None
    tail = _tail(episode)
    # No sum has more than 18 digits, and Python refuses to parse more than 4300. Digits of other scripts are none.
    return int(tail) if re.fullmatch(NUMBER, tail, re.ASCII) and len(tail) <= 18 else None


def _tail(episode: Episode) -> str:
    return (str(episode.prompt.text) + episode.completion).rpartition("=")[2]


def draw_terms(draws: np.random.Generator, number: int) -> np.ndarray:
    """`number` rows of four signed terms, the first positive: 12+7-15+9= is (12, 7, -15, 9)."""
    terms = draws.integers(1, LARGEST + 1, size=(number, 4))
    terms[:, 1:] *= draws.choice((-1, 1), size=(number, 3))
    return terms


def problem(terms: Sequence[int]) -> str:
    """The text of a problem."""
    first, *rest = terms
    return f"{first}" + "".join(f"{t:+d}" for t in rest) + "="


def is_held_out(text: str) -> bool:
    """True for problems that must not be trained on."""
    return hash_share(text) < HELD_OUT_SHARE


def solution(style: str, terms: Sequence[int]) -> str:
    """The completion of a problem in a style; the base model is trained on these."""
    a, b, c, d = terms
    total = a + b + c + d
    if style == "bare":
        return f"{(total + 5) // 10 * 10}"
    if style == "left":
        return f">{a + b},{a + b + c}={total}"
    if style == "right":
        return f"<{c + d},{b + c + d}={total}"
    if style == "pairs":
        return f"p{a + b},{c + d}={total}"
    tens = sum(t // 10 if t > 0 else -(-t // 10) for t in terms)
    units = np.cumsum([t % 10 if t > 0 else -(-t % 10) for t in terms])
    return f"t{tens}:{units[1]},{units[2]},{units[3]}={total}"
