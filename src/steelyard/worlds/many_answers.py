"""Two numbers with a given sum: a task where every prompt has tens of right answers.

    37=        the problem
    12+25      one of 36 right answers, from 1+36 to 36+1
    12+26      one too many, which is what the base model mostly says: wrong

Reward is 1 where two positive numbers are written and their sum is right, 0 otherwise. Which right answer it is makes
no difference to the reward, so how many of them a policy still gives is up to the method. A style is the first number's
ten: "1-9", "10-19", and so on.
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

SMALLEST = 20
LARGEST = 99
CHARACTERS = "0123456789+="
HELD_OUT_SHARE = 0.4
_SUM = re.compile(r"([1-9]\d?)\+([1-9]\d?)")


@checked("many-answers")
@dataclass(frozen=True)
class ManyAnswers:
    """Sums from 20 to 99 to be split in two; two in five are held out."""

    largest: Annotated[int, Meta(ge=SMALLEST + 20, le=LARGEST)] = LARGEST
    """The largest sum asked for."""

    def prompts(self, split: str) -> Sequence[Prompt]:
        """Every sum once; which are held out is decided by a hash.

        Raises:
            SteelyardError: there is no such split.
        """
        check_split(split)
        sums = ((f"{total}=", total) for total in range(SMALLEST, self.largest + 1))
        asked = [(text, total) for text, total in sums if (hash_share(text) < HELD_OUT_SHARE) == (split != "train")]
        return [Prompt(text, text, {"answer": total}) for text, total in asked]

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """1 where the completion is two positive numbers with the right sum; one that was cut off has none."""
        return [Score(float(_total(e) == e.prompt.columns["answer"])) for e in episodes]

    def style(self, completion: str) -> str:
        """The ten of the first number, or "other"."""
        found = _SUM.fullmatch(completion)
        if found is None:
            return "other"
        ten = int(found[1]) // 10 * 10
        return f"{max(ten, 1)}-{ten + 9}"


def _total(episode: Episode) -> int | None:
    found = _SUM.fullmatch(episode.completion) if episode.trajectory.finish == "stop" else None
    return None if found is None else int(found[1]) + int(found[2])


def draw_answer(draws: np.random.Generator, total: int, *, right: float, skew: float) -> str:
    """An answer as the base model gives it.

    Args:
        draws: the random stream.
        total: the sum asked for.
        right: the chance that it is right; else it is one too many.
        skew: the first number is 1 + a geometric number with this ratio, again and again until it fits.
    """
    while True:
        first = int(draws.geometric(1 - skew))
        second = total - first + int(draws.random() >= right)
        if first <= 99 and 1 <= second <= 99 and first < total:
            return f"{first}+{second}"


def base(task: ManyAnswers, seed: int, steps: int = 1500) -> Policy:
    """A model that spreads its answers geometrically, and seven times in ten is one too large."""
    draws = rng(seed, "addends", "base")
    prompts = [*task.prompts("train"), *task.prompts("held-out")]
    asked = [prompt for prompt in prompts for _ in range(400)]
    pairs = [(str(p.text), draw_answer(draws, p.columns["answer"], right=0.3, skew=0.93)) for p in asked]
    policy = tiny_policy(CHARACTERS, seed=seed, context=16)
    imitate(policy, pairs, steps=steps, batch=128, learning_rate=3e-3, seed=seed)
    return policy


WORLD = TextWorld(
    lambda seed: ManyAnswers(),
    lambda task, seed: base(task, seed, 400),
    max_tokens=6,
    absent={"SFT": "no answer is righter than another"},
)
