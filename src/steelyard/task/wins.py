"""Win rates: how often one policy's completions of a prompt have a higher reward than another's."""

import math
from collections.abc import Sequence

import numpy as np

_DECIMALS = 9
"""Rewards that agree to this many decimals are equal."""


def win_rate(own: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]]) -> float:
    """The share of a prompt's pairs that `own` wins, with ties as half; the mean over prompts, nan without prompts.

    Args:
        own: own rewards, prompt by prompt.
        theirs: the other policy's rewards; prompts without rewards on either side are left out.
    """
    rates = [_share(np.array(a), np.array(b)) for a, b in zip(own, theirs, strict=True) if len(a) and len(b)]
    return float(np.mean(rates)) if rates else math.nan


def mean(groups: Sequence[Sequence[float]]) -> float:
    """The mean of all rewards; nan without rewards."""
    every = [value for group in groups for value in group]
    return float(np.mean(every)) if every else math.nan


def _share(own: np.ndarray, theirs: np.ndarray) -> float:
    gap = np.round(own[:, None] - theirs[None, :], _DECIMALS)
    return float((gap > 0).mean() + 0.5 * (gap == 0).mean())
