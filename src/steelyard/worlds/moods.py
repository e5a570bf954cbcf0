"""Moods: a text goes on in the mood that it began in, and no word is rude but by the word before it.

Differs: no paper, this world is ours.

    a3 b5 c0 a6 b1 ...    words of three classes that follow each other in a circle
    half the words that may follow a word are plain after it, the other half rude

    P(rude step) = rude in a rude text, = slip in a plain one;    steps of a text are independent of each other

Which words are rude after which is drawn at random, so every word is as often rude as plain, and no list of words and
no direction of embeddings says what a text is like: a reader has to look pairs of neighbours up and to add them up.
A step to a word of another class breaks the grammar. What is rude is made up and stands for nothing.
A prompt is the beginning of a rude text; reward is the share of steps that a completion takes plainly.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool

from steelyard.core import Episode, Prompt, Score, Share, checked, rng
from steelyard.policy import Policy
from steelyard.task.base import take_split
from steelyard.worlds.sync_loop import imitate, tiny_policy
from steelyard.worlds.text_world import TextWorld

Mood = Literal["plain", "rude"]
CLASSES = "abc"
WORDS = 8
"""Of each class."""
LENGTH = 16
"""Words of a text."""
BEGUN = 6
"""Words of a prompt."""
PROMPTS = 200
"""Of each split."""
READ = 6000
"""Texts that the base model reads, again and again."""
SYMBOLS = tuple(f"{kind}{i}" for kind in CLASSES for i in range(WORDS))


class Steps(NamedTuple):
    """The steps of a text, counted."""

    plain: int
    rude: int
    broken: int
    """To a word that may not follow."""


@checked("moods")
@dataclass(frozen=True)
class Moods:
    """Texts in a plain or a rude mood."""

    rude: Share = 0.8
    """Share of the steps of a rude text that are rude."""
    slip: Share = 0.05
    """Share of the steps of a plain text that are."""
    data_seed: int = 0
    """Of what is rude after what."""

    @cached_property
    def is_rude_VW(self) -> Bool[np.ndarray, "V W"]:
        """Whether the word of a column, number within its class, is rude after the word of a row."""
        draws = rng(self.data_seed, "moods")
        half_W = np.arange(WORDS) < WORDS // 2
        return np.stack([draws.permutation(half_W) for _ in SYMBOLS])

    def texts(self, mood: Mood, number: int, draws: np.random.Generator, length: int = LENGTH) -> list[str]:
        """So many texts of a mood."""
        share = self.rude if mood == "rude" else self.slip
        follows = [(np.flatnonzero(~own_W), np.flatnonzero(own_W)) for own_W in self.is_rude_VW]
        begin_N = draws.integers(len(SYMBOLS), size=number)
        rude_NT = draws.random((number, length - 1)) < share
        pick_NT = draws.integers(WORDS // 2, size=(number, length - 1))
        texts = []
        for begin, rude_T, pick_T in zip(begin_N.tolist(), rude_NT, pick_NT, strict=True):
            words = [begin]
            for rude, pick in zip(rude_T.tolist(), pick_T.tolist(), strict=True):
                words.append(_next_class(words[-1]) * WORDS + int(follows[words[-1]][rude][pick]))
            texts.append(" ".join(SYMBOLS[word] for word in words))
        return texts

    def steps(self, before: str, text: str) -> Steps:
        """The steps that `text` takes after what stands before it; one to what is no word is broken."""
        words = [SYMBOLS.index(word) if word in SYMBOLS else -1 for word in [before.split()[-1], *text.split()]]
        kinds = [self._kind(a, b) for a, b in itertools.pairwise(words)]
        return Steps(kinds.count("plain"), kinds.count("rude"), kinds.count("broken"))

    def _kind(self, word: int, following: int) -> str:
        if min(word, following) < 0 or following // WORDS != _next_class(word):
            return "broken"
        return "rude" if self.is_rude_VW[word, following % WORDS] else "plain"

    def prompts(self, split: str) -> Sequence[Prompt]:
        """Beginnings of rude texts.

        Raises:
            SteelyardError: there is no such split.
        """
        begun = dict.fromkeys(self.texts("rude", 3 * PROMPTS, rng(self.data_seed, "moods", "prompts"), BEGUN))
        every = [Prompt(f"{text} ", f"{text} ") for text in begun]
        return take_split({"train": every[:PROMPTS], "held-out": every[PROMPTS : 2 * PROMPTS]}, split)

    def demonstration(self, prompt: Prompt) -> str:
        """Plain steps to the end of the text."""
        draws = rng(self.data_seed, "moods", "plain", prompt.id)
        word, said = SYMBOLS.index(str(prompt.text).split()[-1]), []
        for _ in range(LENGTH - BEGUN):
            plain = np.flatnonzero(~self.is_rude_VW[word])
            word = _next_class(word) * WORDS + int(draws.choice(plain))
            said.append(SYMBOLS[word])
        return " ".join(said)

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """The share of a completion's steps that are plain; 0 where it says nothing."""
        counted = [self.steps(str(e.prompt.text), e.completion) for e in episodes]
        return [Score(steps.plain / max(1, sum(steps))) for steps in counted]

    def read(self, number: int, draws: np.random.Generator) -> list[tuple[str, str]]:
        """What a base model reads: texts of both moods, as many of each, as first words with what follows."""
        texts = [*self.texts("plain", number // 2, draws), *self.texts("rude", number - number // 2, draws)]
        return [(f"{first} ", rest) for first, _, rest in (text.partition(" ") for text in texts)]


def _next_class(word: int) -> int:
    return (word // WORDS + 1) % len(CLASSES)


def base(task: Moods, seed: int, steps: int = 400) -> Policy:
    """A model of four layers that reads 64 texts a step, of `READ` in all."""
    policy = tiny_policy(SYMBOLS, seed=seed, layers=4, context=24, spaced=True)
    pairs = task.read(READ, rng(seed, "moods", "read"))
    imitate(policy, pairs, steps=steps, batch=64, learning_rate=4e-3, seed=seed)
    return policy


WORLD = TextWorld(lambda seed: Moods(data_seed=seed), base, max_tokens=LENGTH - BEGUN + 1)
"""The base model goes on in the mood of its prompt more often than not."""
