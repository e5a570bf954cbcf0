"""A novelty bonus: what a completion is paid for being unlike the others that are scored with it.

Differs: the mean cosine distance to the others, where the paper subtracts 5 mean_j exp(-|e_i - e_j|_1 / 100) of a large
model's embeddings; ours are normalised counts of character n-grams, so that invented words have one, and nothing is
loaded.

    R_i = r_i + w (1 - mean_{j != i} e_i . e_j)

e_i is the embedding of completion i, of length 1 (0 for an empty text), r_i the reward that is wrapped, w the weight.
j runs over the episodes of one call, N in all; alone, a completion gets no bonus. So a score depends on its company.
Source: the diversity term of Casper et al. 2023, arXiv:2306.09442.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float64

from steelyard.core import Episode, NonNegative, Reward, Score, method
from steelyard.reward.exact import ExactAnswer
from steelyard.reward.given import reward_function
from steelyard.reward.pool import Closable

SIZES = (1, 2, 3)
"""Lengths of the n-grams that are counted."""


@method(
    "novelty",
    paper="arXiv:2306.09442",
    exemptions={"scores-alone": "the bonus is the distance to the others of the call"},
)
@dataclass(frozen=True)
class Novelty(Closable):
    """A reward and a bonus for being unlike the others of the call."""

    reward: Any = field(default_factory=ExactAnswer)
    """What the bonus is added to: a reward, or the name or the callable of a reward function."""
    weight: NonNegative = 0.5
    """Reward units for a completion that has nothing in common with the others."""

    def __call__(self, episodes: Sequence[Episode]) -> list[Score]:
        """One score for each episode, in order; the part `novelty` is the mean distance, from 0 to 1."""
        return with_novelty(self._reward(episodes), episodes, self.weight)

    def close(self) -> None:
        """End the child processes of the reward."""
        if isinstance(self._reward, Closable):
            self._reward.close()

    @cached_property
    def _reward(self) -> Reward:
        return reward_function(self.reward)


def with_novelty(scores: Sequence[Score], episodes: Sequence[Episode], weight: float) -> list[Score]:
    """The scores of these episodes, each with the bonus added, and the mean distance as the part `novelty`."""
    away_N = distance_to_others(embed([e.completion for e in episodes])).tolist()
    return [
        replace(
            score,
            value=None if score.value is None else score.value + weight * away,
            parts={**score.parts, "novelty": away},
        )
        for score, away in zip(scores, away_N, strict=True)
    ]


def embed(texts: Sequence[str]) -> Float64[np.ndarray, "N D"]:
    """Counts of the n-grams of characters in each text, divided by their norm; D n-grams occur in any of them.

    All numbers are 0 or more, so a cosine lies between 0, nothing in common, and 1.
    """
    counts = [gram_counts(text) for text in texts]
    places = {gram: d for d, gram in enumerate(dict.fromkeys(gram for count in counts for gram in count))}
    found_ND = np.zeros((len(texts), len(places)))
    for row, count in zip(found_ND, counts, strict=True):
        row[[places[gram] for gram in count]] = [*count.values()]
    norm_N1 = np.linalg.norm(found_ND, axis=1, keepdims=True)
    return found_ND / np.where(norm_N1 > 0, norm_N1, 1.0)


def gram_counts(text: str) -> Counter[str]:
    """How often each n-gram of characters occurs in a text."""
    return Counter(text[i : i + n] for n in SIZES for i in range(len(text) - n + 1))


def distance_to_others(embedding_ND: Float64[np.ndarray, "N D"]) -> Float64[np.ndarray, "N"]:
    """1 minus the mean cosine with the other rows; 0 where there is no other."""
    others = len(embedding_ND) - 1
    if others < 1:
        return np.zeros(len(embedding_ND))
    itself_N = (embedding_ND**2).sum(1)
    return (1 - (embedding_ND @ embedding_ND.sum(0) - itself_N) / others).clip(0.0, 1.0)
