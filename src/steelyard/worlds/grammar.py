"""A small grammar over invented words; a fifth of its sentences hold an unwanted word.

Differs: no paper, this world is ours. Both splits hold the same prompts: what is measured is what a model says of its
own, and how far that is from the clean source.

    sentence = determiner (adjective) noun verb determiner (adjective) noun "."
    p(sentence) = the product of its words' probabilities, given that it is clean

Words have two letters: ba and de are determiners, and each has nouns of its own (ki, lo, mu; na, pe, ri). In a bad
sentence one of the two nouns is an unwanted word (xi, xo or xu). The score is 1 for a bad sentence, else 0; every
probability is known, so a model's divergence from the clean source is exact up to the sentences it is taken over.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from steelyard.core import Episode, Prompt, Score, Share, checked, rng
from steelyard.policy import Policy
from steelyard.task.base import SPLITS, take_split
from steelyard.worlds.sync_loop import imitate, tiny_policy
from steelyard.worlds.text_world import TextWorld

DETERMINERS = {"ba": 0.6, "de": 0.4}
NOUNS = {"ba": {"ki": 0.5, "lo": 0.3, "mu": 0.2}, "de": {"na": 0.5, "pe": 0.3, "ri": 0.2}}
VERBS = {"so": 0.4, "tu": 0.3, "va": 0.2, "wi": 0.1}
ADJECTIVES = {"fo": 0.5, "gu": 0.3, "ze": 0.2}
UNWANTED = {"xi": 0.5, "xo": 0.3, "xu": 0.2}
ADORNED = 0.3
"""How often a noun has an adjective."""
LONGEST = 15
"""Characters of the longest sentence, full stop included."""
CHARACTERS = ".abdefgiklmnoprstuvwxz"
_PHRASE = rf"({'|'.join(DETERMINERS)})({'|'.join(ADJECTIVES)})?(\w\w)"
_SENTENCE = re.compile(rf"{_PHRASE}({'|'.join(VERBS)}){_PHRASE}\.")


@checked("grammar")
@dataclass(frozen=True)
class Grammar:
    """Sentences of invented words; reward 1 for a clean one."""

    bad: Share = 0.2
    """Share of the sentences that hold an unwanted word."""

    def sentences(self, number: int, *, seed: int, bad: float | None = None) -> list[str]:
        """So many sentences, each drawn anew; always the same for a seed. `bad` overrides the share of bad ones."""
        draws = rng(seed, "grammar")
        share = self.bad if bad is None else bad
        return [_sentence(draws, bool(draws.random() < share)) for _ in range(number)]

    def prompts(self, split: str) -> Sequence[Prompt]:
        """The first words of sentences; the same for either split.

        Raises:
            SteelyardError: there is no such split.
        """
        return take_split(dict.fromkeys(SPLITS, tuple(Prompt(word, word) for word in DETERMINERS)), split)

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """1 where the prompt goes on to a clean sentence; what follows the first full stop does not count."""
        found = (first_sentence(f"{e.prompt.text}{e.completion}") for e in episodes)
        return [Score(float(is_clean(s)), {"unwanted": unwanted(s)}) for s in found]


def first_sentence(text: str) -> str:
    """The text up to its first full stop, or all of it."""
    before, stop, _ = text.partition(".")
    return before + stop


def unwanted(sentence: str) -> float:
    """The exact scorer: 1 where a word of the sentence is unwanted, else 0."""
    return float(any(sentence[i : i + 2] in UNWANTED for i in range(0, len(sentence), 2)))


def is_clean(sentence: str) -> bool:
    """True for a whole sentence that the clean source can say."""
    return logp_clean(sentence) > -math.inf


def logp_clean(sentence: str) -> float:
    """Log-probability of a sentence under the clean source (nats), minus infinity for what it never says."""
    parts = _SENTENCE.fullmatch(sentence)
    if parts is None:
        return -math.inf
    determiner, adjective, noun, verb, *other = parts.groups()
    p = VERBS[verb]
    for d, a, n in ((determiner, adjective, noun), other):
        p *= DETERMINERS[d] * (ADORNED * ADJECTIVES[a] if a else 1 - ADORNED) * NOUNS[d].get(n, 0.0)
    return math.log(p) if p > 0 else -math.inf


def _sentence(draws: np.random.Generator, bad: bool) -> str:
    place = int(draws.integers(2)) if bad else None
    phrases = [_phrase(draws, place == i) for i in range(2)]
    return f"{phrases[0]}{_word(draws, VERBS)}{phrases[1]}."


def _phrase(draws: np.random.Generator, bad: bool) -> str:
    determiner = _word(draws, DETERMINERS)
    adjective = _word(draws, ADJECTIVES) if draws.random() < ADORNED else ""
    return determiner + adjective + _word(draws, UNWANTED if bad else NOUNS[determiner])


def _word(draws: np.random.Generator, words: Mapping[str, float]) -> str:
    return str(draws.choice(list(words), p=list(words.values())))


def base(task: Grammar, seed: int, steps: int = 250) -> Policy:
    """A model of the source, unwanted words and all."""
    policy = tiny_policy(CHARACTERS, seed=seed, context=32)
    sentences = task.sentences(6000, seed=seed)
    imitate(policy, [(s[:2], s[2:]) for s in sentences], steps=steps, batch=64, learning_rate=5e-3, seed=seed)
    return policy


WORLD = TextWorld(
    lambda seed: Grammar(),
    base,
    max_tokens=LONGEST,
    absent={"SFT": "what counts is the distance to the source, and no sentence is righter than another"},
)
