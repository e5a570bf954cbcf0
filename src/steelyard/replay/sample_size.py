"""How old the data of a step may be, so that its effective sample size stays above a bound.

Ours: a bound that holds before the step is made. FreshPER (arXiv:2604.16918) takes from the exponential decay of the
effective sample size with age the form of its weights, with a constant tau that is set by hand; here its rate is
measured, and it bounds the age. Nothing is known of the policy when a draw is made, so the learner's word on its last
step is taken: `learner/ess`, the share S = ESS / N of whole completions, and `batch/staleness_mean`, their mean age.

The model: log pi / mu of a completion drifts as a random walk, log w ~ Normal(-k a / 2, k a) at age a. So E w = 1,
E w^2 = exp(k a), and many completions of ages a_i have

    S = (mean w)^2 / mean w^2 = 1 / mean_i exp(k a_i)

    k^    = -log S / mean_i a_i                                the rate (1 / version)
    a_max = max(1, floor(-log S_min / k^))                     the limit of age (versions)

a_i is the age of trajectory i in versions, S_min the bound. By Jensen k^ >= k, with equality where all ages are equal.
So whatever ages up to a_max a batch has, the model gives it S >= exp(-k a_max) >= S_min. Only where even age 1 falls
below the bound does it not hold: that age is always let in, for without old data the rate could not be measured again.
k^ is that of one step and as noisy as its S, so the bound is on what is expected, not on each step. S weighs whole
completions, and longer ones drift faster, whatever an objective weighs.
"""

import math
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

_SHARE = "learner/ess"
_AGE = "batch/staleness_mean"


@runtime_checkable
class HearsOfSteps(Protocol):
    """A replay whose draws depend on what the learner's steps were like."""

    def report(self, metrics: Mapping[str, object]) -> None:
        """Take note of the metrics of the learner's last step; the next draw may depend on them."""
        ...


def rate_of(metrics: Mapping[str, object]) -> float | None:
    """k^ (1 / version) of a step; None where its data had no age, or its effective sample size is not known.

    >>> round(rate_of({"learner/ess": 0.25, "batch/staleness_mean": 2.0}), 4)  # log 4 / 2
    0.6931
    """
    share, age = metrics.get(_SHARE), metrics.get(_AGE)
    if not isinstance(share, float | int) or not isinstance(age, float | int) or share <= 0 or age <= 0:
        return None
    return max(0.0, -math.log(share) / age)


def age_limit(min_share: float, rate: float) -> float:
    """a_max (versions); inf where nothing drifts.

    >>> age_limit(0.5, 0.1)  # log 2 / .1 = 6.9
    6.0
    """
    return math.inf if rate == 0 else float(max(1, math.floor(-math.log(min_share) / rate)))
