"""What one arm has more than another on paired seeds: the effect, its 90 % interval, and the p-value of a claim.

    difference   e_s = sign (ours_s - baseline_s)
    relative     e_s = sign (log ours_s - log baseline_s)           sign: -1 where lower is better
    t            mean +- t_{.95, n-1} sd / sqrt(n),   p = P(T_{n-1} >= (mean - threshold) sqrt(n) / sd)
    exact        where e has no spread: low = g(L(better)) - g(U(worse)), with the bounds L and U of Clopper and
                 Pearson on the counts of all seeds together, g = log or identity

n paired seeds s. The p-value is one-sided, of effect <= threshold, so that p <= .05 where the 90 % interval lies at or
above the threshold. A share of k in m samples enters a logarithm as (k + 1/2) / (m + 1/2): an arm may count to 0.
A level of the exact bound is halved between two arms that are both counted (Bonferroni).
Source: Student 1908; Clopper and Pearson 1934; the half is Walter's (1975).
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from steelyard.core import SteelyardError, require

ONE_SIDE = 0.05
"""The level of each end of an interval."""
UNBOUNDED = 700.0
"""Stands for an infinite logarithm, as of a ratio to a share that may be 0: records hold finite numbers alone."""
_NO_SPREAD = 1e-12
_HALVINGS = 50


@dataclass(frozen=True)
class Figures:
    """One arm's metric, or the fixed number that is to be beaten, at each seed."""

    values: tuple[float, ...]
    samples: tuple[int, ...] | None = None
    """Of how many samples each value is the share; None where it is no share, or nobody said."""
    fixed: bool = False
    """A number and no measurement: it has no error of its own."""

    @property
    def counted(self) -> bool:
        """True where every value is a share of a known number of samples."""
        return self.samples is not None

    def logs(self, where: str) -> list[float]:
        """The logarithms.

        Raises:
            SteelyardError: a value has none.
        """
        if self.samples is not None:
            pairs = zip(self.values, self.samples, strict=True)
            return [math.log((share * m + 0.5) / (m + 0.5)) for share, m in pairs]
        hint = "report it as a share of so many samples (`share`), or claim a difference"
        for value in self.values:
            require(value > 0, f"{value} has no logarithm, and a relative effect is claimed", where=where, hint=hint)
        return [math.log(value) for value in self.values]

    def pooled(self) -> tuple[int, int]:
        """Count and samples over all seeds."""
        samples = self.samples or ()
        return sum(round(share * m) for share, m in zip(self.values, samples, strict=True)), sum(samples)


@dataclass(frozen=True)
class Comparison:
    """Two arms and how they are compared."""

    ours: Figures
    baseline: Figures
    lower_is_better: bool
    relative: bool
    where: str
    """Names the comparison in messages."""

    def effects(self) -> tuple[float, ...]:
        """The effect at each seed.

        Raises:
            SteelyardError: a relative effect of what has no logarithm.
        """
        ours = self.ours.logs(self.where) if self.relative else self.ours.values
        baseline = self.baseline.logs(self.where) if self.relative else self.baseline.values
        return tuple(self._gain(a, b) for a, b in zip(ours, baseline, strict=True))

    def _gain(self, ours: float, baseline: float) -> float:
        if ours == baseline:  # inf - inf is 0: neither arm reached what was counted up to
            return 0.0
        return baseline - ours if self.lower_is_better else ours - baseline


@dataclass(frozen=True)
class Assessed:
    """The effect over the seeds."""

    mean: float
    interval: tuple[float, float] | None
    """90 %; None where it cannot be told: one seed, or no spread and no counts."""
    p: float | None
    """Of an effect at or below the threshold; None where there is no interval."""


def assess(comparison: Comparison, threshold: float) -> Assessed:
    """The mean effect with its interval and p-value."""
    effect = comparison.effects()
    mean = statistics.fmean(effect)
    if len(effect) < 2:
        return Assessed(mean, None, None)
    if not math.isfinite(mean):
        raise SteelyardError("the effect is not finite", where=comparison.where, hint="measure numbers")
    if max(effect) - min(effect) <= _NO_SPREAD * max(1.0, abs(mean)):
        return _exact(comparison, mean, threshold)
    half = half_width(effect)
    return Assessed(mean, (mean - half, mean + half), _t_p_value(effect, threshold))


def half_width(values: Sequence[float]) -> float:
    """Half of the 90 % t interval of the mean of two values or more."""
    from scipy.stats import t

    num = len(values)
    return float(t.ppf(1 - ONE_SIDE, num - 1)) * statistics.stdev(values) / math.sqrt(num)


def clopper_pearson(count: int, samples: int, level: float) -> tuple[float, float]:
    """The exact bounds of a share; each is missed with a probability of at most `level`."""
    from scipy.stats import beta

    low = 0.0 if count == 0 else float(beta.ppf(level, count, samples - count + 1))
    high = 1.0 if count == samples else float(beta.ppf(1 - level, count + 1, samples - count))
    return low, high


def _t_p_value(effect: Sequence[float], threshold: float) -> float:
    from scipy.stats import t

    num = len(effect)
    score = (statistics.fmean(effect) - threshold) * math.sqrt(num) / statistics.stdev(effect)
    return float(t.sf(score, num - 1))


def _exact(comparison: Comparison, mean: float, threshold: float) -> Assessed:
    arms = (comparison.ours, comparison.baseline)
    told = all(arm.counted or arm.fixed for arm in arms) and any(arm.counted for arm in arms)
    if not told:
        return Assessed(mean, None, None)
    low, high = _exact_bounds(comparison, ONE_SIDE)
    # The smallest level at which the low end still reaches the threshold: the low end rises with the level.
    below = 0.0
    above = 1.0
    for _ in range(_HALVINGS):
        level = (below + above) / 2
        if _exact_bounds(comparison, level)[0] >= threshold:
            above = level
        else:
            below = level
    return Assessed(mean, (low, high), above)


def _exact_bounds(comparison: Comparison, level: float) -> tuple[float, float]:
    up = comparison.baseline if comparison.lower_is_better else comparison.ours
    down = comparison.ours if comparison.lower_is_better else comparison.baseline
    each = level / 2 if up.counted and down.counted else level
    up_low, up_high = _bounds(up, each)
    down_low, down_high = _bounds(down, each)
    write = _log if comparison.relative else float
    low = write(up_low) - write(down_high)
    high = write(up_high) - write(down_low)
    return max(low, -UNBOUNDED), min(high, UNBOUNDED)


def _bounds(arm: Figures, level: float) -> tuple[float, float]:
    return clopper_pearson(*arm.pooled(), level) if arm.counted else (arm.values[0], arm.values[0])


def _log(share: float) -> float:
    return math.log(share) if share > 0 else -math.inf
