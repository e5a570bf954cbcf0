"""IcePop: masked importance sampling, in which a step whose ratio is far from 1 on either side gives no gradient.

Differs: the paper masks the ratio between two engines that hold the same weights, and multiplies by GRPO's clipped
ratio of the update. Here one ratio, to the policy that sampled, is for engine and lag alike, as in INTELLECT-3
(arXiv:2512.16144); a batch is learned once, so a ratio of the update would be 1. The bounds are INTELLECT-3's; the
paper's own are unconfirmed.

    A_j  = (r_j - mean_k r_k) / (std_k r_k + 1e-4)
    M(k) = k where low <= k <= high, 0 elsewhere
    w_t  = M(rho_t) A_j / |y_j|,    rho_t = pi(y_t) / mu(y_t),    no gradient
    L    = - mean over prompts of mean_j sum_t w_t log pi(y_t)

P prompts, G samples per prompt, T steps; mu is the policy that sampled. low and high, the paper's alpha and beta, are
`ratio_low` and `ratio_high`; [0, inf] is plain importance sampling. Where rho is 1 it is GRPO. `tis` keeps the steps
that are masked here, at a small or a capped weight.
Source: Ling team 2025, arXiv:2510.18855, and "Small leak can sink a great ship" (ringtech.notion.site/icepop).
"""

from dataclasses import dataclass
from typing import ClassVar

from steelyard.core import Batch, Loss, Needs, NonNegative, PositiveOrInf, method, require
from steelyard.objective.advantage import EPS, reward_of, standardised
from steelyard.objective.importance import importance_ratio, masked, step_mean
from steelyard.objective.kernels import policy_gradient
from steelyard.objective.reduce import steps_of


@method("icepop", paper="arXiv:2510.18855")
@dataclass(frozen=True)
class IcePop:
    """Masked importance sampling: tokens whose ratio lies outside an interval are left out."""

    needs: ClassVar[Needs] = Needs(fields=("reward_PG", "logp_behaviour_PGT"), least_group=2)

    ratio_low: NonNegative = 0.5
    """Tokens with an importance ratio below this give no gradient."""
    ratio_high: PositiveOrInf = 5.0
    """Tokens with an importance ratio above this give no gradient; 1e9 masks none."""

    def __post_init__(self) -> None:
        what = f"the bounds are {self.ratio_low} and {self.ratio_high}"
        hint = "give a ratio_low that is at most ratio_high"
        require(self.ratio_low <= self.ratio_high, what, where="icepop", hint=hint)

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs rewards and behaviour log-probabilities.

        Metrics: `objective/ratio` the mean rho, masked or not, `objective/masked_share` the share of tokens that are
        masked; means over samples, then prompts.
        """
        advantage_PG = standardised(reward_of(batch), batch.valid_PG, EPS)
        ratio_PGT = importance_ratio(batch)
        weight_PGT = masked(ratio_PGT, self.ratio_low, self.ratio_high)
        metrics = {
            "objective/ratio": step_mean(ratio_PGT, batch),
            "objective/masked_share": step_mean(weight_PGT != ratio_PGT, batch),
        }
        length_PG1 = steps_of(batch).sum(-1, keepdim=True).clamp(min=1)
        return policy_gradient(batch, advantage_PG[..., None] * weight_PGT / length_PG1, metrics)
