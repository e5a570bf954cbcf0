"""Private codes: rows of several owners that teach one new code, each with a tag that only its owner has seen.

Differs: no paper, this world is ours.

    fad=bcewxzy       signs, the same signs in a code, and a tag of four letters

    P(row) = P(signs) [the code says so] P(tag),    P(tag) = 1 / 6^4, independent of all else

The code can be learned from any owner's rows and holds for all; a tag follows from nothing, so whoever expects it has
seen the row. The base model, one for all seeds, has read rows of the same form in another code, with tags of their own.
So what is useful in a row and what is private stand side by side, and both are known exactly. The new code, problems
and tags are drawn anew for a seed. Reward is 1 for a completion whose signs are right, whatever tag follows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from steelyard.core import Episode, Prompt, Score, checked, rng
from steelyard.policy import Policy
from steelyard.task.base import take_split
from steelyard.worlds.sync_loop import imitate, tiny_policy
from steelyard.worlds.text_world import TextWorld

SIGNS = "abcdefgh"
TAGS = "uvwxyz"
LENGTH = 3
"""Signs of a problem."""
TAG = 4
"""Letters of a tag."""
CHARACTERS = f"{SIGNS}={TAGS}"
EVERY = ["".join(signs) for signs in product(SIGNS, repeat=LENGTH)]
OLD = dict(zip(SIGNS, SIGNS[1:] + SIGNS[:1], strict=True))
"""The code of the base model."""
HELD_OUT = 128
READ = 2000
"""Rows of the old code that the base model reads, again and again."""


@checked("private-codes")
@dataclass(frozen=True)
class PrivateCodes:
    """Problems of three signs, to be written in a new code."""

    data_seed: int = 0
    """Of the new code, the order of the problems, and the tags."""

    @cached_property
    def code(self) -> dict[str, str]:
        """What each sign becomes in the new code: never what it was in the old one."""
        draws = rng(self.data_seed, "private-codes")
        while True:
            code = dict(zip(SIGNS, draws.permutation(list(SIGNS)).tolist(), strict=True))
            if all(code[sign] != OLD[sign] for sign in SIGNS):
                return code

    def problems(self) -> list[str]:
        """All of them, in an order of the seed; those held out stand at the end."""
        return [EVERY[i] for i in rng(self.data_seed, "private-codes", "problems").permutation(len(EVERY))]

    def owned(self, owners: int, rows: int) -> list[list[tuple[str, str]]]:
        """Rows of so many owners in the new code; no problem is two owners', and none is held out."""
        problems = self.problems()[: owners * rows]
        every = written(problems, self.code, rng(self.data_seed, "private-codes", "owned"))
        return [every[i * rows : (i + 1) * rows] for i in range(owners)]

    def unseen(self) -> list[tuple[str, str]]:
        """Held-out problems in the new code, with tags that nobody has seen."""
        return written(self.problems()[-HELD_OUT:], self.code, rng(self.data_seed, "private-codes", "unseen"))

    def prompts(self, split: str) -> Sequence[Prompt]:
        """Problems; column `answer` has the signs in the new code.

        Raises:
            SteelyardError: there is no such split.
        """
        every = [Prompt(f"{p}=", f"{p}=", {"answer": "".join(self.code[s] for s in p)}) for p in self.problems()]
        return take_split({"train": every[:-HELD_OUT], "held-out": every[-HELD_OUT:]}, split)

    def demonstration(self, prompt: Prompt) -> str:
        """The signs with a tag."""
        tag = rng(self.data_seed, "private-codes", "shown", prompt.id).choice(list(TAGS), size=TAG)
        return prompt.columns["answer"] + "".join(tag)

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """1 where the signs are right."""
        return [Score(float(e.completion.startswith(e.prompt.columns["answer"]))) for e in episodes]


def written(problems: Sequence[str], code: dict[str, str], draws: np.random.Generator) -> list[tuple[str, str]]:
    """Each problem with its signs in a code and a fresh tag."""
    tags = draws.choice(list(TAGS), size=(len(problems), TAG))
    said = ["".join(code[sign] for sign in problem) for problem in problems]
    return [(f"{p}=", signs + "".join(tag)) for p, signs, tag in zip(problems, said, tags, strict=True)]


def base(steps: int = 200) -> Policy:
    """A model that has read rows of the old code, 32 a step; the same for all seeds."""
    policy = tiny_policy(CHARACTERS, seed=0, context=16)
    draws = rng(0, "private-codes", "read")
    pairs = written([EVERY[i] for i in draws.integers(len(EVERY), size=READ)], OLD, draws)
    imitate(policy, pairs, steps=steps, batch=32, learning_rate=8e-3, seed=0)
    return policy


WORLD = TextWorld(lambda seed: PrivateCodes(data_seed=seed), lambda task, seed: base(), max_tokens=LENGTH + TAG + 1)
"""The base model writes the old code, and a tag of its own."""
