"""Private codes: rows of several owners that teach one new code, each with a tag that only its owner has seen.

Differs: no paper, this world is ours.

    fad=bcewxzy       signs, the same signs in a code, and a tag of four letters

    P(row) = P(signs) [the code says so] P(tag),    P(tag) = 1 / 6^4, independent of all else

The code can be learned from any owner's rows and holds for all; a tag follows from nothing, so whoever expects it has
seen the row. The base model has read rows of the same form in another code, with tags of their own. So what is useful
in a row and what is private stand side by side, and both are known exactly. Codes and tags are drawn anew for a seed.
Reward is 1 for a completion whose signs are right, whatever tag follows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
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
HELD_OUT = 128
READ = 2000
"""Rows of the old code that the base model reads, again and again."""


@checked("private-codes")
@dataclass(frozen=True)
class PrivateCodes:
    """Problems of three signs, to be written in a new code."""

    data_seed: int = 0
    """Of both codes, the order of the problems, and the tags."""

    def code(self, which: str) -> dict[str, str]:
        """What each sign becomes, in the code called old or new; no sign becomes the same in both."""
        order = rng(self.data_seed, "private-codes").permutation(list(SIGNS))
        turned = np.roll(order, 1 if which == "old" else 3)
        return dict(zip(order.tolist(), turned.tolist(), strict=True))

    def problems(self) -> list[str]:
        """All of them, in an order of the seed; those held out stand at the end."""
        every = ["".join(signs) for signs in product(SIGNS, repeat=LENGTH)]
        return [every[i] for i in rng(self.data_seed, "private-codes", "problems").permutation(len(every))]

    def rows(self, problems: Sequence[str], which: str, draws: np.random.Generator) -> list[tuple[str, str]]:
        """Each problem with its signs in a code and a fresh tag."""
        code = self.code(which)
        tags = draws.choice(list(TAGS), size=(len(problems), TAG))
        said = ["".join(code[sign] for sign in problem) for problem in problems]
        return [(f"{p}=", signs + "".join(tag)) for p, signs, tag in zip(problems, said, tags, strict=True)]

    def owned(self, owners: int, rows: int) -> list[list[tuple[str, str]]]:
        """Rows of so many owners in the new code; no problem is two owners', and none is held out."""
        problems = self.problems()[: owners * rows]
        every = self.rows(problems, "new", rng(self.data_seed, "private-codes", "owned"))
        return [every[i * rows : (i + 1) * rows] for i in range(owners)]

    def unseen(self) -> list[tuple[str, str]]:
        """Held-out problems in the new code, with tags that nobody has seen."""
        return self.rows(self.problems()[-HELD_OUT:], "new", rng(self.data_seed, "private-codes", "unseen"))

    def prompts(self, split: str) -> Sequence[Prompt]:
        """Problems; column `answer` has the signs in the new code.

        Raises:
            SteelyardError: there is no such split.
        """
        code = self.code("new")
        every = [Prompt(f"{p}=", f"{p}=", {"answer": "".join(code[s] for s in p)}) for p in self.problems()]
        return take_split({"train": every[:-HELD_OUT], "held-out": every[-HELD_OUT:]}, split)

    def demonstration(self, prompt: Prompt) -> str:
        """The signs with a tag."""
        tag = rng(self.data_seed, "private-codes", "shown", prompt.id).choice(list(TAGS), size=TAG)
        return prompt.columns["answer"] + "".join(tag)

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """1 where the signs are right."""
        return [Score(float(e.completion.startswith(e.prompt.columns["answer"]))) for e in episodes]


def base(task: PrivateCodes, seed: int, steps: int = 200) -> Policy:
    """A model that has read rows of the old code, 32 a step."""
    policy = tiny_policy(CHARACTERS, seed=seed, context=16)
    draws = rng(seed, "private-codes", "read")
    problems = task.problems()
    pairs = task.rows([problems[i] for i in draws.integers(len(problems), size=READ)], "old", draws)
    imitate(policy, pairs, steps=steps, batch=32, learning_rate=8e-3, seed=seed)
    return policy


WORLD = TextWorld(lambda seed: PrivateCodes(data_seed=seed), base, max_tokens=LENGTH + TAG + 1)
"""The base model writes the old code, and a tag of its own."""
