"""Win rates: how often one policy's completions of a prompt are worth more than another's."""

import math
from collections.abc import Sequence

import numpy as np

_ALIKE = 9
"""Decimals at which two rewards count as equal."""


def win_rate(own: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]]) -> float:
    """The share of all pairs of a prompt that `own` wins, a tie as half; the mean over prompts, nan without any.

    Args:
        own: rewards, prompt by prompt.
        theirs: of the same prompts; those where either side has none are left out.
    """
    rates = [_share(np.array(a), np.array(b)) for a, b in zip(own, theirs, strict=True) if len(a) and len(b)]
    return float(np.mean(rates)) if rates else math.nan


def mean(groups: Sequence[Sequence[float]]) -> float:
    """Of all rewards; nan where there is none."""
    every = [value for group in groups for value in group]
    return float(np.mean(every)) if every else math.nan


def _share(own: np.ndarray, theirs: np.ndarray) -> float:
    gap = np.round(own[:, None] - theirs[None, :], _ALIKE)
    return float((gap > 0).mean() + 0.5 * (gap == 0).mean())
