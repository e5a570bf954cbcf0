"""Estimates from counts and samples: intervals for a success rate and for a mean, and pass@k without bias."""

import math
import statistics
from collections.abc import Sequence

from steelyard.core import require


def wilson(successes: float | int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's score interval for a success rate: the p with (s/n - p)^2 <= z^2 p (1 - p) / n.

        center = (s + z^2/2) / (n + z^2),   half-width = z sqrt(s (n - s) / n + z^2/4) / (n + z^2)

    Args:
        successes: s, how many trials succeeded. Where a trial has a share between 0 and 1 in place of a hit or a miss,
            the sum of the shares: they vary at most as much as hits would, so the interval is then too wide at worst.
        trials: n; with n = 0 the interval is (0, 1).
        z: normal quantile; 1.96 gives 95 %.

    Raises:
        SteelyardError: successes is not between 0 and trials, or z is negative.

    Source: Wilson 1927, Journal of the American Statistical Association 22.
    """
    require(0 <= successes <= trials, f"{successes} successes in {trials} trials", where="wilson", hint="count again")
    require(z >= 0, f"z is {z}", where="wilson", hint="use 0 or more; 1.96 gives 95 %")
    if trials == 0:
        return 0.0, 1.0
    center = (successes + z * z / 2) / (trials + z * z)
    half = z * math.sqrt(successes * (trials - successes) / trials + z * z / 4) / (trials + z * z)
    # With no successes the lower end is exactly 0, with n successes the upper end exactly 1, despite rounding.
    low = 0.0 if successes == 0 else max(0.0, center - half)
    high = 1.0 if successes == trials else min(1.0, center + half)
    return low, high


def mean_interval(values: Sequence[float], z: float = 1.96) -> tuple[float, float] | None:
    """A normal interval for the mean of independent values: mean +- z s / sqrt(n); None of fewer than two values.

    >>> [round(end, 3) for end in mean_interval([0.0, 1.0, 2.0]) or ()]
    [-0.132, 2.132]
    """
    if len(values) < 2:
        return None
    half = z * statistics.stdev(values) / math.sqrt(len(values))
    center = statistics.fmean(values)
    return center - half, center + half


def pass_at_k(num_samples: int, num_correct: int, k: int) -> float:
    """The probability that k of the n samples, drawn without replacement, include a correct one: unbiased for pass@k.

        1 - C(n - c, k) / C(n, k)

    Args:
        num_samples: n, samples drawn for one prompt.
        num_correct: c, how many of them are correct.
        k: attempts allowed, 1 to n.

    Raises:
        SteelyardError: c is not between 0 and n, or k not between 1 and n.

    Source: Chen et al. 2021, arXiv:2107.03374, equation 1.
    """
    n = num_samples
    c = num_correct
    require(0 <= c <= n, f"{c} correct of {n} samples", where="pass_at_k", hint="count again")
    require(1 <= k <= n, f"k is {k} with {n} samples", where="pass_at_k", hint=f"use a k from 1 to {n}")
    return 1.0 - math.comb(n - c, k) / math.comb(n, k)
