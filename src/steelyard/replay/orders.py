"""Random orders of prompts, made lazily: uniform, or by age.

    shuffled:   every order of the keys is equally likely
    aged:       P(x next) = exp(-l a_x) / sum over x' not yet given of exp(-l a_x'),    a_x = v - v_x

Keys are given oldest first. l is the age decay (1 / version), a_x the age of key x in versions. The learner's version v
is a common factor and cancels. `aged` is exact by rejection: keys whose weights differ by less than a factor e make a
layer; a layer is drawn by its largest possible weight, then one of its keys, which is taken with probability
exp(-l (its age beyond the layer's youngest)) >= 1 / e. Where l a_x is beyond some 40, a key is left aside until those
before it are used up: what it would be drawn with is less than the rounding of the sum. So a draw from N keys looks at
O(log N) layers and makes at most e trials on average, whatever their ages are.
"""

import math
from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np
from sortedcontainers import SortedList

K = TypeVar("K")

_ROUNDING = 2.0**-53


class _Places:
    """`number` places of a sequence from `first` on, less those that were taken: a lazy Fisher-Yates shuffle."""

    def __init__(self, first: int, number: int) -> None:
        self.left = number
        self._first = first
        self._moved: dict[int, int] = {}

    def at(self, pick: int) -> int:
        """The place of one of those left, `pick` < `left`."""
        return self._first + self._moved.get(pick, pick)

    def take(self, pick: int) -> None:
        """Leave it out from now on."""
        self.left -= 1
        self._moved[pick] = self._moved.get(self.left, self.left)


def shuffled(keys: Sequence[K], start: int, rng: np.random.Generator) -> Iterator[K]:
    """Yield `keys[start:]` in random order, O(1) per key taken.

    >>> sorted(shuffled("abcd", 1, np.random.default_rng(0)))
    ['b', 'c', 'd']
    """
    places = _Places(start, len(keys) - start)
    while places.left > 0:
        pick = int(rng.integers(places.left))
        yield keys[places.at(pick)]
        places.take(pick)


def aged(keys: SortedList, start: int, decay: float, rng: np.random.Generator) -> Iterator[tuple[int, str]]:
    """Yield the (version, name) of `keys[start:]`, sorted, in the order of a sequential softmax of -`decay` x age.

    Args:
        keys: (version, name) pairs.
        start: place of the first that may be given.
        decay: l, above 0 (1 / version).
        rng: source of the draws.
    """
    layers: list[tuple[int, _Places]] = []
    """Version of a layer's youngest key, and its places; the youngest layer first."""
    end = len(keys)
    while True:
        layers = [layer for layer in layers if layer[1].left]
        while end > start and (not layers or _counts(end - start, keys[end - 1][0] - layers[0][0], decay)):
            top = keys[end - 1][0]
            first = max(start, keys.bisect_left((top - 1 / decay,)))
            layers.append((top, _Places(first, end - first)))
            end = first
        if not layers:
            return
        version, places, pick = _drawn(keys, layers, decay, rng)
        yield version, keys[places.at(pick)][1]
        places.take(pick)


def _counts(number: int, below: int, decay: float) -> bool:
    """Whether `number` keys, so many versions (not positive) from the youngest one, can change what is drawn."""
    return number * math.exp(decay * below) > _ROUNDING


def _drawn(
    keys: SortedList, layers: Sequence[tuple[int, _Places]], decay: float, rng: np.random.Generator
) -> tuple[int, _Places, int]:
    """The next key: its version, its layer's places, and which of these it has."""
    youngest = layers[0][0]
    bound_L = np.cumsum([places.left * math.exp(decay * (top - youngest)) for top, places in layers])
    while True:
        layer = int(np.searchsorted(bound_L, rng.random() * bound_L[-1], side="right"))
        top, places = layers[min(layer, len(layers) - 1)]
        pick = int(rng.integers(places.left))
        version = keys[places.at(pick)][0]
        if rng.random() < math.exp(decay * (version - top)):
            return version, places, pick
