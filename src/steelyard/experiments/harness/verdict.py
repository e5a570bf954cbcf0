"""From figures to a verdict: a t interval over paired seeds, against what was claimed.

    effect_s = (ours_s - baseline_s) sign / scale        for each of n seeds
    interval = mean +- t_{0.95, n-1} sd / sqrt(n)        two-sided, 90 %

shown: the interval's low end is at least what was claimed. not shown: the mean is below it. too noisy: anything else,
and a single seed, which has no interval. A proof's verdict is its worst claim's.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from steelyard.core import SteelyardError
from steelyard.experiments.harness.proof import Arms, Claim, Proof

Verdict = Literal["shown", "not shown", "too noisy"]
WORST: tuple[Verdict, ...] = ("not shown", "too noisy", "shown")


@dataclass(frozen=True)
class Judged:
    """One claim with its figures, seed by seed."""

    claim: Claim
    ours: tuple[float, ...]
    baseline: tuple[float, ...]
    effect: tuple[float, ...]
    mean: float
    """Of the effect."""
    low: float | None
    """The interval's low end; None for a single seed."""
    high: float | None
    verdict: Verdict


def judge(claim: Claim, seeds: Mapping[int, Arms], ours: str) -> Judged:
    """The claim for the arm `ours`.

    Raises:
        SteelyardError: an arm or metric is missing, or a share of a baseline of 0 is asked for.
    """
    own = tuple(_value(arms, seed, ours, claim.metric) for seed, arms in seeds.items())
    other = tuple(
        _value(arms, seed, claim.baseline, claim.metric) if isinstance(claim.baseline, str) else float(claim.baseline)
        for seed, arms in seeds.items()
    )
    effect = tuple(_effect(claim, a, b) for a, b in zip(own, other, strict=True))
    mean = statistics.fmean(effect)
    half = half_width(effect)
    low, high = (None, None) if half is None else (mean - half, mean + half)
    verdict: Verdict = "not shown" if mean < claim.least else "too noisy"
    if low is not None and low >= claim.least:
        verdict = "shown"
    return Judged(claim, own, other, effect, mean, low, high, verdict)


def half_width(values: Sequence[float]) -> float | None:
    """Half of the 90 % t interval of the mean; None for fewer than two values."""
    from scipy.stats import t

    num = len(values)
    return float(t.ppf(0.95, num - 1)) * statistics.stdev(values) / math.sqrt(num) if num > 1 else None


def judge_all(proof: Proof, seeds: Mapping[int, Arms]) -> tuple[list[Judged], list[Judged]]:
    """Every claim for the method, and every claim for the control in its place."""
    own = [judge(claim, seeds, claim.ours or proof.ours) for claim in proof.claims]
    return own, [judge(claim, seeds, proof.control) for claim in proof.claims]


def worst(judged: Sequence[Judged]) -> Verdict:
    """The verdict of several claims together."""
    found = {one.verdict for one in judged}
    return next(verdict for verdict in WORST if verdict in found)


def verdict_of(own: Sequence[Judged], control: Sequence[Judged]) -> Verdict:
    """The proof's verdict: an experiment whose control shows as much cannot tell, and shows nothing."""
    return "not shown" if worst(control) != "not shown" else worst(own)


def _effect(claim: Claim, ours: float, baseline: float) -> float:
    gain = baseline - ours if claim.lower_is_better else ours - baseline
    if not claim.relative:
        return gain
    if baseline == 0:
        raise SteelyardError(
            "the baseline is 0, and a share of it is asked for", where=claim.text, hint="claim a difference"
        )
    return gain / abs(baseline)


def _value(arms: Arms, seed: int, arm: str, metric: str) -> float:
    if metric not in arms.get(arm, {}):
        have = ", ".join(f"{name} ({', '.join(metrics)})" for name, metrics in arms.items())
        raise SteelyardError(f"seed {seed} has no {metric!r} of {arm!r}", where="proof", hint=f"it has {have}")
    return float(arms[arm][metric])
