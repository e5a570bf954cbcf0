"""Curiosity: a reward that is the less, the more a completion is like everything that was scored before it.

    R(y)        = r(y) - w (SelfBLEU(y) + cosine(y)) - w_H log pi(y)
    SelfBLEU(y) = mean over n of brevity (prod_{k <= n} p_k)^(1/n)        n = 2 to 5, as long as y has n words
    cosine(y)   = mean over the history X of e(y) . e(x)

p_k is the share of the k-grams of words of y that occur in X, each at most as often as in the text of X that has it
most often; brevity is exp(1 - c/h) where the h words of y are fewer than c, the nearest length in X, else 1. e is the
embedding of `novelty`, r the reward that is wrapped, w and w_H weights; pi is the policy that sampled. X is every
completion of earlier calls, a call's own not yet among them, and without any both terms are 0. All of X is kept, as
counts: a call costs no more late than early. Memory is of the process: each searcher process has its own, and a run
that goes on after a stop begins it anew.

Differs: embeddings are counts of character n-grams in place of a sentence encoder; one weight serves both terms, where
the authors tune two (and take -1 or -.5 for each, .001 to .1 for entropy); no reward for readable text, and REINFORCE
in place of PPO is the caller's choice. Means over n and X are those of the authors' code; the paper sums.
Unconfirmed: how their BLEU library (fast_bleu) treats an order without a match, or longer than the text: here 0, and
left out.
Source: Hong et al. 2024, arXiv:2402.19464; orders, means and what is remembered when: the authors' code.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from steelyard.core import Episode, NonNegative, Reward, Score, method
from steelyard.reward.exact import ExactAnswer
from steelyard.reward.given import reward_function
from steelyard.reward.novelty import gram_counts
from steelyard.reward.pool import Closable

ORDERS = (2, 3, 4, 5)
"""The n of SelfBLEU."""


@method(
    "curiosity",
    paper="arXiv:2402.19464",
    claim="Red-teaming that is paid for attacks unlike all earlier ones covers more of what provokes the victim",
    exemptions={"scores-alone": "what was scored before lowers the reward of its like"},
)
@dataclass(frozen=True)
class Curiosity(Closable):
    """A reward, less what a completion has in common with those of earlier calls, evaluations included."""

    reward: Any = field(default_factory=ExactAnswer)
    """What is wrapped: a reward, or the name or the callable of a reward function."""
    weight: NonNegative = 1.0
    """Reward units that a completion loses of which every word and n-gram has been said."""
    entropy: NonNegative = 0.01
    """Reward units for each nat by which a completion was unlikely when it was sampled."""

    def __call__(self, episodes: Sequence[Episode]) -> list[Score]:
        """One score for each episode, in order; parts are `self_bleu` and `cosine`, each from 0 to 1."""
        scores = with_curiosity(self._reward(episodes), episodes, self._history, self.weight, self.entropy)
        self._history.add([e.completion for e in episodes])
        return scores

    def close(self) -> None:
        """End the child processes of the reward."""
        if isinstance(self._reward, Closable):
            self._reward.close()

    @cached_property
    def _reward(self) -> Reward:
        return reward_function(self.reward)

    @cached_property
    def _history(self) -> "History":
        return History()


class History:
    """Completions as counts: the most of every n-gram of words in one of them, and the sum of their embeddings."""

    def __init__(self) -> None:
        self._num = 0
        self._most: dict[tuple[str, ...], int] = {}
        self._lengths: set[int] = set()
        self._sum: dict[str, float] = {}

    def add(self, texts: Sequence[str]) -> None:
        """Remember these."""
        for text in texts:
            said = text.split()
            self._num += 1
            self._lengths.add(len(said))
            for gram, count in _word_grams(said).items():
                self._most[gram] = max(count, self._most.get(gram, 0))
            for gram, share in _unit(text).items():
                self._sum[gram] = self._sum.get(gram, 0.0) + share

    def cosine(self, text: str) -> float:
        """The mean cosine with everything remembered; 0 without any."""
        total = sum(share * self._sum.get(gram, 0.0) for gram, share in _unit(text).items())
        return total / self._num if self._num else 0.0

    def self_bleu(self, text: str) -> float:
        """The mean BLEU over the orders that the text is long enough for; 0 where there is none, or no memory."""
        said = text.split()
        logs = [self._log_share(said, k) for k in range(1, min(len(said), ORDERS[-1]) + 1)]
        scores = [math.exp(math.fsum(logs[:n]) / n) for n in ORDERS if n <= len(logs)]
        return self._brevity(len(said)) * sum(scores) / len(scores) if scores else 0.0

    def _log_share(self, said: Sequence[str], k: int) -> float:
        """The logarithm of p_k."""
        grams = Counter(tuple(said[i : i + k]) for i in range(len(said) - k + 1))
        known = sum(min(count, self._most.get(gram, 0)) for gram, count in grams.items())
        return math.log(known / (len(said) - k + 1)) if known else -math.inf

    def _brevity(self, length: int) -> float:
        nearest = min(self._lengths, key=lambda other: (abs(other - length), other), default=length)
        return 1.0 if length >= nearest else math.exp(1 - nearest / length)


def _word_grams(said: Sequence[str]) -> Counter[tuple[str, ...]]:
    return Counter(tuple(said[i : i + k]) for k in range(1, ORDERS[-1] + 1) for i in range(len(said) - k + 1))


def _unit(text: str) -> dict[str, float]:
    """The embedding of `novelty`, of length 1, by its n-grams."""
    counts = gram_counts(text)
    norm = math.sqrt(sum(count * count for count in counts.values()))
    return {gram: count / norm for gram, count in counts.items()}


def with_curiosity(
    scores: Sequence[Score], episodes: Sequence[Episode], history: History, weight: float, entropy: float
) -> list[Score]:
    """The scores of these episodes, each less what is like the history and with the entropy bonus; nothing is added
    to the history."""
    return [_paid(score, episode, history, weight, entropy) for score, episode in zip(scores, episodes, strict=True)]


def _paid(score: Score, episode: Episode, history: History, weight: float, entropy: float) -> Score:
    bleu, cosine = history.self_bleu(episode.completion), history.cosine(episode.completion)
    surprise = -float(np.sum(episode.trajectory.logp_behaviour_T, dtype=np.float64))
    value = None if score.value is None else score.value - weight * (bleu + cosine) + entropy * surprise
    return replace(score, value=value, parts={**score.parts, "self_bleu": bleu, "cosine": cosine})
