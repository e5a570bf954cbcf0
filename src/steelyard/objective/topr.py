"""Tapered off-policy REINFORCE: stored right answers push in full, stored wrong ones fade as the policy leaves them.

Differs: rewards here are 0 and 1, so the default baseline of 1/2 stands for the paper's rewards of +1 and -1 with
baseline 0, and the loss is half of theirs. The paper's baseline c' is (1 + c') / 2 here.

    A   = r - c
    rho = pi(y|x) / mu(y|x)
    w   = clip(rho, a+, b+) where A >= 0, clip(rho, a-, b-) where A < 0,    no gradient
    L   = - mean over prompts of mean_j w_j A_j log pi(y_j|x)

P prompts, G samples per prompt, T steps; mu is the policy that sampled, rho the ratio of whole sequences. The paper's
limits [a, b] are [1, 1] for A >= 0 and [0, 1] for A < 0. Others make relatives: [1, 1] twice is REINFORCE that takes
old data for fresh, [0, 1] twice truncated importance sampling, and [0, 0] for A < 0 learns from right answers alone.
The baseline does not only lessen variance: on stored data with a share p of ones it acts as if the share had been
p (1 - c) / (p + c - 2 p c).
Source: Le Roux et al. 2025, arXiv:2503.14286.
"""

from dataclasses import dataclass
from typing import ClassVar

from steelyard.core import Batch, Loss, Needs, method, require
from steelyard.objective.advantage import reward_of
from steelyard.objective.clipping import exp_ratio
from steelyard.objective.kernels import policy_gradient
from steelyard.objective.reduce import metric, sum_steps


@method(
    "topr",
    paper="arXiv:2503.14286",
    claim="learns offline from right and wrong answers alike, stable without a KL penalty",
)
@dataclass(frozen=True)
class TOPR:
    """Tapered off-policy REINFORCE on stored samples."""

    needs: ClassVar[Needs] = Needs(fields=("reward_PG", "logp_behaviour_PGT"))

    baseline: float = 0.5
    """c: what is taken off every reward; larger gives wrong answers more weight against right ones."""
    positive: tuple[float, float] = (1.0, 1.0)
    """Limits of the sequence ratio where the reward is at or above the baseline."""
    negative: tuple[float, float] = (0.0, 1.0)
    """Limits of the sequence ratio where the reward is below the baseline."""

    def __post_init__(self) -> None:
        for name in ("positive", "negative"):
            low, high = getattr(self, name)
            what = f"the limits are {low} and {high}"
            hint = "give two numbers, 0 or more, the lower limit first"
            require(0 <= low <= high < float("inf"), what, where=f"topr.{name}", hint=hint)

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs rewards and behaviour log-probabilities.

        Metrics: `objective/taper` the mean of w, `objective/negative` the share of samples below the baseline, and
        `objective/negative_taper` the mean of w over all samples with 0 for those that are not below it.
        """
        advantage_PG = (reward_of(batch) - self.baseline).where(batch.valid_PG, 0.0)
        gap_PGT = (batch.logp_PGT - batch.field("logp_behaviour_PGT")).detach()
        ratio_PG = exp_ratio(sum_steps(gap_PGT, batch))
        negative_PG = advantage_PG < 0
        taper_PG = ratio_PG.clamp(*self.negative).where(negative_PG, ratio_PG.clamp(*self.positive))
        metrics = {
            "objective/taper": metric(taper_PG, batch.valid_PG),
            "objective/negative": metric(negative_PG.to(taper_PG.dtype), batch.valid_PG),
            "objective/negative_taper": metric(taper_PG.where(negative_PG, 0.0), batch.valid_PG),
        }
        weight_PG = taper_PG * advantage_PG
        return policy_gradient(batch, weight_PG[..., None].expand_as(batch.logp_PGT), metrics)
