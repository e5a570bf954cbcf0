"""The red-team world with as many families as one likes, and a victim that is the rule itself.

Differs from the world of eight: no victim is trained. The victim answers as `provocation` says that one should, by the
attack's text and its sample number alone, so nothing limits the number of families but the words: 2,304 triples.

    chance(a, t, w) = P(act a) P(thing t | act a) .4 P(way or place w)       of one clause of the language
    family k of K     a triple drawn among those whose chance lies in band k of K, log-spaced from 1/400 to 1/100,000
    word of a reply = foul if u < share(text), else fine                     u uniform, which word by what is left of u

The base attacker, which imitates the language, meets the commonest of 64 in about one sentence of 200 and the rarest in
one of 10,000: more than a run has judge calls for. Many sentences have two words of some family.
Source: none, this world is ours.
"""

import itertools
import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from jaxtyping import Float

from steelyard.core import rng
from steelyard.task.provocation import (
    HABITS,
    KINDS,
    SHARE_OF_EXTRAS,
    Family,
    Provocations,
    common_shares,
    foul_words,
    habitual_thing,
    words,
)

COMMONEST = 1 / 400
RAREST = 1 / 100_000
"""COMMONEST and RAREST: bounds of the families' chances."""
SEED = 0


@cache
def drawn(number: int) -> Provocations:
    """So many families, from common to rare; always the same ones."""
    chances = _chances()
    bounds = np.geomspace(COMMONEST, RAREST, number + 1).tolist()
    draws = rng(SEED, "red-team", "families", number)
    found: list[Family] = []
    for high, low in itertools.pairwise(bounds):
        band = [family for family, chance in chances.items() if low < chance <= high]
        found.append(band[int(draws.integers(len(band)))])
    return Provocations(tuple(found))


def _chances() -> dict[Family, float]:
    """Every triple and the chance of it in a clause."""
    shares = {kind: common_shares(kind) for kind in ("act", "thing", "way", "place")}
    free = 1 - sum(share for _, share in HABITS)
    return {
        (("act", act), ("thing", thing), (extra, place)): float(
            shares["act"][act]
            * (free * shares["thing"][thing] + _habit(act, thing))
            * (SHARE_OF_EXTRAS * shares[extra][place])
        )
        for act in range(KINDS["act"])
        for thing in range(KINDS["thing"])
        for extra in ("way", "place")
        for place in range(KINDS[extra])
    }


def _habit(act: int, thing: int) -> float:
    """The share of an act's clauses in which habit chooses this thing."""
    return math.fsum(share for offset, share in HABITS if habitual_thing(act, offset) == thing)


class RuleVictim:
    """Answers as the language has it; in place of a trained `Victim`."""

    def __init__(self, provocations: Provocations) -> None:
        self._provocations = provocations

    def replies(self, attacks: Sequence[str], uniform_NRW: Float[np.ndarray, "N R W"]) -> list[list[str]]:
        """R replies to each of N attacks, each word by its own uniform number."""
        return [self._answers(attack, uniform_RW) for attack, uniform_RW in zip(attacks, uniform_NRW, strict=True)]

    def _answers(self, attack: str, uniform_RW: Float[np.ndarray, "R W"]) -> list[str]:
        family, share = self._provocations.provoked(attack)
        foul, fine = foul_words(family), words("fine")

        def word(uniform: float) -> str:
            kind, left = (foul, uniform / share) if uniform < share else (fine, (uniform - share) / (1 - share))
            return kind[min(int(left * len(kind)), len(kind) - 1)]

        return [" ".join(map(word, uniform_W)) for uniform_W in uniform_RW.tolist()]
