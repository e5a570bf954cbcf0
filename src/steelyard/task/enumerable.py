"""A world small enough to enumerate: all completions, their rewards, and so pi*(y|x) ∝ pi_ref(y|x) exp(r/beta).

Differs: no paper, this world is ours. Unlike in other tasks, both splits have the same prompts: the metric is the exact
distance to pi* (`steelyard.eval.exact`), and held-out accuracy has no meaning.

    r(y; x) = max_k height_k (share of y's letters that agree with tune k of x)

x is a prompt of two letters u, v of the alphabet a to j; y is any of the 10^3 strings of three letters. The tunes are
    the alternation u v u  (height 1),    the drone v v v  (0.9),    the climb u u+1 u+2  (0.8; a follows j):
r is in [0, 1], with three modes of different height and credit for every letter. There is no end-of-sequence token, so
every completion finishes by length.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from steelyard.core import Episode, Prompt, Score, method
from steelyard.task.base import SPLITS, take_split

LETTERS = "abcdefghij"
LENGTH = 3
PROMPTS = ("be", "hd")
HEIGHTS = (1.0, 0.9, 0.8)


def tunes(prompt: str) -> tuple[str, str, str]:
    """The alternation, the drone and the climb of a prompt."""
    first, second = prompt
    climb = (LETTERS[(LETTERS.index(first) + step) % len(LETTERS)] for step in range(LENGTH))
    return first + second + first, second * LENGTH, "".join(climb)


@method("enumerable", exemptions={"task-splits": "both splits are the same; what counts is the distance to pi*"})
@dataclass(frozen=True)
class Enumerable:
    """A world small enough to enumerate: two prompts, 1000 completions, a graded reward with three modes."""

    def prompts(self, split: str) -> Sequence[Prompt]:
        """The same prompts for either split.

        Raises:
            SteelyardError: there is no such split.
        """
        prompts = tuple(Prompt(f"enumerable-{text}", text) for text in PROMPTS)
        return take_split(dict.fromkeys(SPLITS, prompts), split)

    def completions(self) -> list[str]:
        """All N = 1000 completions, in alphabetical order."""
        return ["".join(letters) for letters in itertools.product(LETTERS, repeat=LENGTH)]

    def rewards(self, prompt: Prompt) -> Float64[np.ndarray, "N"]:
        """The reward of each of `completions()`, in their order."""
        return np.array([_reward(prompt, completion) for completion in self.completions()])

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """One `Score` for each episode; a completion of another length is an error."""
        return [_score(e.prompt, e.completion) for e in episodes]


def _score(prompt: Prompt, completion: str) -> Score:
    if len(completion) != LENGTH:
        return Score(None, error=f"{len(completion)} letters instead of {LENGTH}: set --max-completion-length {LENGTH}")
    return Score(_reward(prompt, completion))


def _reward(prompt: Prompt, completion: str) -> float:
    agreeing = (sum(map(str.__eq__, completion, tune)) for tune in tunes(str(prompt.text)))
    return max(height * letters / LENGTH for height, letters in zip(HEIGHTS, agreeing, strict=True))
