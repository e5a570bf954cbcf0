"""What a policy gained for how far it went: the best value at no more than a given distance from the reference.

    F(k) = max of v over the points of the run's path with KL at most k

The path goes in a straight line from each evaluation's (KL, v) to the next one's, so that runs that move fast, and are
seen at fewer small distances, lose nothing by it. Whoever stops at the right time, with so much KL to spend, gets F(k).
"""

import itertools
from collections.abc import Sequence

import numpy as np


def frontier(kl: Sequence[float], value: Sequence[float], levels: Sequence[float]) -> list[float]:
    """F at each level; a negative estimate of KL counts as 0. -inf where the path has no point so near."""
    kl_N = np.maximum(np.asarray(kl, float), 0.0)
    value_N = np.asarray(value, float)
    return [_best(kl_N, value_N, level) for level in levels]


def _best(kl_N: np.ndarray, value_N: np.ndarray, level: float) -> float:
    reached = list(value_N[kl_N <= level])
    for (k0, v0), (k1, v1) in itertools.pairwise(zip(kl_N, value_N, strict=True)):
        if (k0 <= level) != (k1 <= level):  # the path crosses the level here
            reached.append(v0 + (level - k0) / (k1 - k0) * (v1 - v0))
    return float(max(reached, default=-np.inf))


def common_levels(reaches: Sequence[float], number: int) -> list[float]:
    """Levels of KL that every arm has reached, evenly spaced: the last is the smallest of the arms' reaches."""
    end = min(reaches)
    return [end * (i + 1) / number for i in range(number)]
