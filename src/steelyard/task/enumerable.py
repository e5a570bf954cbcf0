"""A world small enough to list: every completion, its reward, and so pi*(y|x) ∝ pi_ref(y|x) exp(r/beta), exactly.

Differs: no paper; ours, after the enumerable worlds that GFlowNets are tested in. Both splits hold the same prompts: the
measure of this world is the exact distance to pi* (`steelyard.eval.exact`), and held-out accuracy says nothing.

    r(y; x) = max_k height_k (share of y's letters that agree with tune k of prompt x)

A prompt is two letters u, v of the alphabet abcd. Its tunes, as long as a completion, are
    the alternation u v u v u  (height 1),    the drone v v v v v  (0.9),    the climb u u+1 u+2 ...  (0.8; after d comes a).
A completion is any of the 4^length strings of `length` letters; there is no end-of-sequence token, so all of them
finish by length, and r is in [0.2, 1]: several modes of different height, and partial credit letter by letter.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from steelyard.core import Episode, Prompt, Score, method, require

LETTERS = "abcd"
PROMPTS = ("ab", "bd", "ca", "dc")
HEIGHTS = (1.0, 0.9, 0.8)


def tunes(prompt: str, length: int) -> tuple[str, str, str]:
    """The alternation, the drone and the climb of a prompt, `length` letters each."""
    u, v = prompt
    climb = (LETTERS[(LETTERS.index(u) + t) % len(LETTERS)] for t in range(length))
    return (prompt * length)[:length], v * length, "".join(climb)


@method("enumerable")
@dataclass(frozen=True)
class Enumerable:
    """A world small enough to list: four prompts, 4^length completions, graded reward with several modes."""

    length: int = 5
    """Letters of a completion; --max-completion-length must be the same."""

    def __post_init__(self) -> None:
        require(1 <= self.length <= 6, f"length is {self.length}", where="enumerable.length", mend="use 1 to 6")

    def prompts(self, split: str) -> Sequence[Prompt]:
        """The four prompts, whatever the split."""
        return [Prompt(f"enumerable-{text}", text) for text in PROMPTS]

    def completions(self) -> list[str]:
        """All N = 4^length completions, in alphabetical order."""
        return ["".join(letters) for letters in itertools.product(LETTERS, repeat=self.length)]

    def rewards(self, prompt: Prompt) -> Float64[np.ndarray, "N"]:
        """The reward of each of `completions()`, in their order."""
        return np.array([self._reward(prompt, completion) for completion in self.completions()])

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """One `Score` for each episode; a completion of another length is outside of the world, and an error."""
        return [self._score(e.prompt, e.completion) for e in episodes]

    def _score(self, prompt: Prompt, completion: str) -> Score:
        if len(completion) != self.length:
            return Score(None, error=f"{len(completion)} letters: --max-completion-length must be {self.length}")
        return Score(self._reward(prompt, completion))

    def _reward(self, prompt: Prompt, completion: str) -> float:
        agree = (sum(map(str.__eq__, completion, tune)) for tune in tunes(str(prompt.text), self.length))
        return max(height * number / self.length for height, number in zip(HEIGHTS, agree, strict=True))
