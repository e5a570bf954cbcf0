"""Claims and verdicts of proofs, studies and ablations: one arm beats another, or a number, by at least so much.

The effect over paired seeds, its interval and its p-value are those of `harness.effect`. The verdict:

    shown        the low end of the 90 % interval is at least the threshold, so that p <= .05
    not shown    the mean is below the threshold
    too noisy    anything else, and what has no interval: one seed, or no spread and no counts

The threshold is `min_effect`, or for a relative claim its logarithm: a fifth more is log 1.2, a fifth less -log .8.
A study compares by `SeedsAgree(says)` in place of this: the median's size, and the sign in every seed. One with a
criterion of its own, in words and code, gives its judgement by `stated`.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from steelyard.core import SteelyardError, checked
from steelyard.experiments.harness.effect import Assessed, Comparison, Figures, assess
from steelyard.experiments.harness.metric import SAMPLES, ArmMetrics

Verdict = Literal["shown", "not shown", "too noisy"]
Rule = Callable[[Sequence[float], float], Verdict]
"""`rule(effects, min_effect)`: the verdict on the effects of paired seeds."""
Outcome = Literal["more than", "less than", "as much as", "unclear"]
Says = Literal["more than", "less than", "as much as", "no more than"]
Kind = Literal["claim", "ablation"]
WORST: tuple[Verdict, ...] = ("not shown", "too noisy", "shown")
LONGEST_TEXT = 160
"""Characters of a claim: it is a cell of the catalogue and a title of its picture."""


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


@checked("claim")
@dataclass(frozen=True)
class Claim:
    """Ours is better than the baseline in a metric, by at least `min_effect`."""

    text: Annotated[str, Meta(max_length=LONGEST_TEXT, description=f"a text of at most {LONGEST_TEXT} characters")]
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
    """The effect is a ratio to the baseline, judged on the log scale; `min_effect` is a share: .2 is a fifth."""
    ours: str = ""
    """The arm that is claimed for; a proof's claims are for the proof's arm where none is named."""
    rule: Rule | None = None
    """How the effects are judged, if not by their interval."""
    control: str | None = ""
    """The arm that must fail this claim: a name, None for none, or by default what the proof says (`control_of`)."""
    kind: Kind = "claim"
    """Its line in the rubric: what the paper claims, or an ablation of the method's own parts."""

    @property
    def threshold(self) -> float:
        """`min_effect` on the scale of the effect.

        Raises:
            SteelyardError: it is relative, and nothing can be so much less.
        """
        return on_scale_of_effect(self.min_effect, self.relative, self.lower_is_better, self.text)


def on_scale_of_effect(min_effect: float, relative: bool, lower_is_better: bool, where: str) -> float:
    """What is claimed at least, as an effect is measured: a share becomes its logarithm.

    Raises:
        SteelyardError: it is relative, and nothing can be so much less.
    """
    if not relative:
        return min_effect
    ratio = 1 - min_effect if lower_is_better else 1 + min_effect
    if ratio <= 0:
        raise SteelyardError("asks for more than all", where=where, hint="claim a share below 1")
    return -math.log(ratio) if lower_is_better else math.log(ratio)


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
    """On the log scale where the claim is relative."""
    verdict: Verdict
    tested: Assessed | None = None
    """The mean with its interval and p-value; None where another rule judged."""

    @property
    def mean(self) -> float:
        """Of the effect."""
        return statistics.fmean(self.effect)

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 90 % interval of the mean; None where there is none."""
        return self.tested.interval if self.tested else None

    @property
    def p(self) -> float | None:
        """The one-sided p-value of an effect at or below the threshold; None where there is none."""
        return self.tested.p if self.tested else None


def judge(claim: Claim, seeds: Mapping[int, ArmMetrics], ours: str | None = None) -> Judged:
    """The claim on what each seed measured.

    Args:
        claim: what is claimed.
        seeds: seed -> arm -> metric -> value.
        ours: judge this arm in place of the claim's.

    Raises:
        SteelyardError: an arm or metric is missing, or a relative effect of what has no logarithm is asked for.
    """
    own = _figures(seeds, ours or claim.ours, claim.metric)
    base = claim.baseline
    other = _figures(seeds, base, claim.metric) if isinstance(base, str) else _fixed(claim, float(base), len(seeds))
    comparison = Comparison(own, other, claim.lower_is_better, claim.relative, claim.text)
    effect = comparison.effects()
    if claim.rule is not None:
        return Judged(claim, own.values, other.values, effect, claim.rule(effect, claim.min_effect))
    found = assess(comparison, claim.threshold)
    return Judged(claim, own.values, other.values, effect, _verdict(found, claim.threshold), found)


def _verdict(found: Assessed, threshold: float) -> Verdict:
    if found.interval is not None and found.interval[0] >= threshold:
        return "shown"
    return "not shown" if found.mean < threshold else "too noisy"


def as_share(effect: float, lower_is_better: bool) -> float:
    """A relative effect as a share of the baseline: log 1.2 is .2 more; where lower is better, log 1.25 is .2 less."""
    return -math.expm1(-effect) if lower_is_better else math.expm1(effect)


def worst(judged: Sequence[Judged]) -> Verdict:
    """The verdict of several claims together: that of the worst."""
    found = {one.verdict for one in judged}
    return next(verdict for verdict in WORST if verdict in found)


def _fixed(claim: Claim, number: float, num: int) -> Figures:
    if claim.relative and number <= 0:
        what = f"the baseline is {number:g}, and a relative effect is claimed"
        raise SteelyardError(what, where=claim.text, hint="claim a difference")
    return Figures((number,) * num, fixed=True)


def _figures(seeds: Mapping[int, ArmMetrics], arm: str, metric: str) -> Figures:
    values = tuple(_value(arms, seed, arm, metric) for seed, arms in seeds.items())
    samples = tuple(round(arms[arm].get(metric + SAMPLES, 0)) for arms in seeds.values())
    return Figures(values, samples if all(samples) else None)


def _value(arms: ArmMetrics, seed: int, arm: str, metric: str) -> float:
    if metric not in arms.get(arm, {}):
        have = ", ".join(f"{name} ({', '.join(metrics)})" for name, metrics in arms.items())
        raise SteelyardError(f"seed {seed} has no {metric!r} of {arm!r}", where="claim", hint=f"it has {have}")
    return float(arms[arm][metric])
