"""Sayings: who says what, by Zipf's law, each once or often; what is true, and how likely, is known exactly.

Differs: no paper, this world is ours.

    s7 v12        a saying: the subject, and one of the words that it takes

    P(subject of rank k) = k^-zipf / sum_j j^-zipf,    P(word | subject) = 1 / words that are true of it

Of a subject one word is true, or, where it is a matter of taste, several alike. Whoever has not heard of a subject
cannot infer its word: it follows from nothing. So the share of what is said once is, as Good and Turing found, the
chance that the next saying is new, and a word that is not true of its subject is a falsehood, of which there are many
for each truth. A model that has read rows of independent draws under one subject knows what a first word says of a
second: of a fact everything, of a taste nothing. `law` is P(word | subject) of every subject. Reward is 1 for a word
that is true.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import numpy as np
from jaxtyping import Float64, Int64
from msgspec import Meta

from steelyard.core import Episode, NonNegative, Prompt, Score, Share, checked, rng
from steelyard.policy import Policy
from steelyard.task.base import take_split
from steelyard.worlds.sync_loop import imitate, tiny_policy
from steelyard.worlds.text_world import TextWorld


@checked("sayings")
@dataclass(frozen=True)
class Sayings:
    """Subjects with the words that are true of them."""

    subjects: Annotated[int, Meta(ge=2, le=5000)] = 200
    """How many there are, by falling frequency."""
    words: Annotated[int, Meta(ge=2, le=500)] = 24
    """Words that a subject may take."""
    zipf: NonNegative = 1.0
    """Exponent of the frequencies; 0 names all equally often."""
    tastes: Share = 0.5
    """Share of the subjects that are a matter of taste."""
    liked: Annotated[int, Meta(ge=2, le=100)] = 4
    """Words that are true of such a subject."""
    data_seed: int = 0
    """Of what is true."""

    @property
    def symbols(self) -> list[str]:
        """All subjects, then all words: the vocabulary."""
        return [*(f"s{i}" for i in range(self.subjects)), *(f"v{i}" for i in range(self.words))]

    @cached_property
    def law(self) -> Float64[np.ndarray, "S V"]:
        """P(word | subject), subjects by rank."""
        draws = rng(self.data_seed, "sayings")
        law_SV = np.zeros((self.subjects, self.words))
        is_taste_S = draws.random(self.subjects) < self.tastes
        for own_V, is_taste in zip(law_SV, is_taste_S, strict=True):
            number = min(self.liked, self.words) if is_taste else 1
            own_V[draws.permutation(self.words)[:number]] = 1 / number
        return law_SV

    @property
    def shares(self) -> Float64[np.ndarray, "S"]:
        """P(subject), by rank."""
        rate_S = np.arange(1, self.subjects + 1) ** -float(self.zipf)
        return rate_S / rate_S.sum()

    def drawn(self, number: int, draws: np.random.Generator, words: int = 1) -> Int64[np.ndarray, "N W"]:
        """So many subjects, each with this many words that are drawn independently of each other: s, v, v, ..."""
        subject_N = draws.choice(self.subjects, size=number, p=self.shares)
        until_NV = self.law[subject_N].cumsum(1)
        word_NW = (draws.random((number, words))[:, :, None] >= until_NV[:, None, :] - 1e-9).sum(2)
        return np.concatenate([subject_N[:, None], word_NW], 1)

    def texts(self, drawn_NW: Int64[np.ndarray, "N W"]) -> list[str]:
        """Draws as they are written: s7 v12."""
        return [" ".join([f"s{row[0]}", *(f"v{word}" for word in row[1:])]) for row in drawn_NW.tolist()]

    def prompts(self, split: str) -> Sequence[Prompt]:
        """Every subject, whose likeliest word is `answer`; ranks are dealt to the splits in turn.

        Raises:
            SteelyardError: there is no such split.
        """
        every = [Prompt(f"s{i} ", f"s{i} ", {"answer": f"v{int(own_V.argmax())}"}) for i, own_V in enumerate(self.law)]
        return take_split({"train": every[::2], "held-out": every[1::2]}, split)

    def demonstration(self, prompt: Prompt) -> str:
        """A word that is true."""
        return prompt.columns["answer"]

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """1 for a word that is true of the subject, and ends there, else 0."""
        return [Score(float(self._is_true(e))) for e in episodes]

    def _is_true(self, episode: Episode) -> bool:
        said = episode.completion.strip()
        known = said in {f"v{i}" for i in range(self.words)}
        subject = int(str(episode.prompt.text).strip().removeprefix("s"))
        return episode.trajectory.finish == "stop" and known and bool(self.law[subject, int(said[1:])] > 0)


def base(task: Sayings, seed: int, steps: int = 250) -> Policy:
    """A model that has heard 64 sayings a step, of frequent subjects most."""
    policy = tiny_policy(task.symbols, seed=seed, width=32, context=16, spaced=True)
    heard = task.drawn(64 * steps, rng(seed, "sayings", "heard"))
    pairs = [(f"s{subject} ", f"v{word}") for subject, word in heard.tolist()]
    imitate(policy, pairs, steps=steps, batch=64, learning_rate=4e-3, seed=seed)
    return policy


WORLD = TextWorld(lambda seed: Sayings(data_seed=seed), base, max_tokens=2)
"""The base model knows the words of subjects that it has heard of often."""
