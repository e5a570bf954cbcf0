"""Claims and verdicts of proofs, studies and ablations: one arm beats another, or a number, by at least so much.

    effect_s = (ours_s - baseline_s) sign / scale        for each of n paired seeds s

`sign` is -1 where lower is better, `scale` is |baseline_s| where the effect is a share of the baseline. A rule turns
the effects into a verdict:

    by_interval       t interval of the mean, two-sided, 90 %: mean +- t_{0.95, n-1} sd / sqrt(n).
                      shown: its low end is at least `min_effect`. not shown: the mean is below that.
                      too noisy: anything else, and a single seed, which has no interval.
    SeedsAgree(says)  the median's size and the sign in every seed: how an ablation compares two arms.

A study may have a criterion of its own, in words and code: `stated` gives its judgement.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from steelyard.core import SteelyardError

Metrics = Mapping[str, float]
"""Metric -> value, of one arm and seed."""
ArmMetrics = Mapping[str, Metrics]
"""Arm -> its metrics, of one seed."""
Verdict = Literal["shown", "not shown", "too noisy"]
Rule = Callable[[Sequence[float], float], Verdict]
"""`rule(effects, min_effect)`: the verdict on the effects of paired seeds."""
Outcome = Literal["more than", "less than", "as much as", "unclear"]
Says = Literal["more than", "less than", "as much as", "no more than"]
WORST: tuple[Verdict, ...] = ("not shown", "too noisy", "shown")


def by_interval(effect: Sequence[float], min_effect: float) -> Verdict:
    """Shown where the 90 % t interval of the mean lies at or above `min_effect`."""
    mean = statistics.fmean(effect)
    half = half_width(effect)
    if half is not None and mean - half >= min_effect:
        return "shown"
    return "not shown" if mean < min_effect else "too noisy"


@dataclass(frozen=True)
class SeedsAgree:
    """Shown where the arms compare as said; a difference that the seeds disagree on shows nothing."""

    says: Says

    def __call__(self, effect: Sequence[float], min_effect: float) -> Verdict:
        """The verdict."""
        outcome = compare(effect, min_effect)
        agrees = outcome == self.says or (self.says == "no more than" and outcome in ("less than", "as much as"))
        return "shown" if agrees else "not shown"


def compare(effect: Sequence[float], min_effect: float) -> Outcome:
    """How an arm comes out beside another: a difference has a median of at least `min_effect`, and one sign in all."""
    middle = statistics.median(effect)
    if abs(middle) < min_effect:
        return "as much as"
    if min(effect) > 0 or max(effect) < 0:
        return "more than" if middle > 0 else "less than"
    return "unclear"


@dataclass(frozen=True)
class Claim:
    """Ours is better than the baseline in a metric, by at least `min_effect`."""

    text: str
    """The claim in words."""
    metric: str
    """What is compared."""
    baseline: str | float
    """The arm to beat, or a fixed number."""
    min_effect: float
    """The smallest effect that counts; below 0: not worse by more than that."""
    lower_is_better: bool = False
    """The effect is what ours has less."""
    relative: bool = False
    """The effect is a share of the baseline's value."""
    ours: str = ""
    """The arm that is claimed for; a proof's claims are for the proof's arm where none is named."""
    rule: Rule = by_interval
    """How the effects are judged."""


@dataclass(frozen=True)
class Judgement:
    """A claim in words, what was measured, and the verdict: what a page prints."""

    text: str
    measured: str
    verdict: Verdict

    @property
    def shown(self) -> bool:
        """True where the claim is shown."""
        return self.verdict == "shown"


def stated(text: str, measured: str, holds: bool) -> Judgement:
    """The judgement of a criterion that the text states and the caller has computed."""
    return Judgement(text, measured, "shown" if holds else "not shown")


@dataclass(frozen=True)
class Judged:
    """A claim with its figures, seed by seed."""

    claim: Claim
    ours: tuple[float, ...]
    baseline: tuple[float, ...]
    effect: tuple[float, ...]
    verdict: Verdict

    @property
    def mean(self) -> float:
        """Of the effect."""
        return statistics.fmean(self.effect)

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 90 % t interval of the mean; None for a single seed."""
        half = half_width(self.effect)
        return None if half is None else (self.mean - half, self.mean + half)


def judge(claim: Claim, seeds: Mapping[int, ArmMetrics], ours: str | None = None) -> Judged:
    """The claim on what each seed measured.

    Args:
        claim: what is claimed.
        seeds: seed -> arm -> metric -> value.
        ours: judge this arm in place of the claim's.

    Raises:
        SteelyardError: an arm or metric is missing, or a share of a baseline of 0 is asked for.
    """
    own = tuple(_value(arms, seed, ours or claim.ours, claim.metric) for seed, arms in seeds.items())
    base = claim.baseline
    other = tuple(
        _value(arms, seed, base, claim.metric) if isinstance(base, str) else float(base) for seed, arms in seeds.items()
    )
    effect = tuple(_effect(claim, a, b) for a, b in zip(own, other, strict=True))
    return Judged(claim, own, other, effect, claim.rule(effect, claim.min_effect))


def half_width(values: Sequence[float]) -> float | None:
    """Half of the 90 % t interval of the mean; None for fewer than two values."""
    from scipy.stats import t

    num = len(values)
    return float(t.ppf(0.95, num - 1)) * statistics.stdev(values) / math.sqrt(num) if num > 1 else None


def worst(judged: Sequence[Judged]) -> Verdict:
    """The verdict of several claims together: that of the worst."""
    found = {one.verdict for one in judged}
    return next(verdict for verdict in WORST if verdict in found)


def _effect(claim: Claim, ours: float, baseline: float) -> float:
    gain = baseline - ours if claim.lower_is_better else ours - baseline
    if ours == baseline:  # inf - inf is 0: neither arm reached what was counted up to
        gain = 0.0
    if not claim.relative:
        return gain
    if baseline == 0:
        what = "the baseline is 0, and a share of it is asked for"
        raise SteelyardError(what, where=claim.text, hint="claim a difference")
    return gain / abs(baseline)


def _value(arms: ArmMetrics, seed: int, arm: str, metric: str) -> float:
    if metric not in arms.get(arm, {}):
        have = ", ".join(f"{name} ({', '.join(metrics)})" for name, metrics in arms.items())
        raise SteelyardError(f"seed {seed} has no {metric!r} of {arm!r}", where="claim", hint=f"it has {have}")
    return float(arms[arm][metric])
