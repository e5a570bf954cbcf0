"""GSPO: group sequence policy optimization, GRPO with the ratio and the clipping of whole sequences.

Differs: the value is that of -stop_grad(w_j) log pi(y_j), with w_j = s_j A_j / |y_j| where not clipped and 0 where
clipped; the gradient is the paper's. One ratio, to the policy that sampled, serves for old and behaviour policy alike.
eps is added to the standard deviation, as GRPO does.

    A_j = (r_j - mean_k r_k) / (std_k r_k + eps)
    s_j = (pi(y_j|x) / mu(y_j|x))^(1/|y_j|)
    J   = min(s_j A_j, clip(s_j, 1 - low, 1 + high) A_j)
    L   = - mean over prompts of mean_j J,    in gradient

P prompts, G samples per prompt, T steps; mu is the behaviour policy and |y| the number of actions. s is the geometric
mean of a sample's ratios, so it stays near 1 where the ratio of the whole sequence does not. GSPO-token, with the ratio
stop_grad(s_j) pi(y_t) / stop_grad(pi(y_t)) at each step, has the same gradient where a sample's steps share one
advantage, as here.
Source: Zheng et al. 2025, arXiv:2507.18071.
"""

from dataclasses import dataclass
from typing import ClassVar

from steelyard.core import Batch, Loss, Needs, Positive, PositiveOrInf, method
from steelyard.objective.advantage import reward_of, standardised
from steelyard.objective.clipping import exp_ratio, unclipped
from steelyard.objective.importance import log_importance
from steelyard.objective.kernels import policy_gradient
from steelyard.objective.reduce import mean_steps, metric, steps_of


@method(
    "gspo",
    paper="arXiv:2507.18071",
    claim="ratios and clipping of whole sequences train more stably and efficiently than GRPO's of single tokens",
)
@dataclass(frozen=True)
class GSPO:
    """GRPO with the ratio and the clipping of whole sequences."""

    needs: ClassVar[Needs] = Needs(fields=("reward_PG", "logp_behaviour_PGT"), least_group=2)

    clip_low: PositiveOrInf = 3e-4
    """How far below 1 a sequence's ratio may fall and still be pushed down; 1 or more never clips."""
    clip_high: PositiveOrInf = 4e-4
    """How far above 1 a sequence's ratio may rise and still be pushed up; 1e9 never clips."""
    eps: Positive = 1e-4
    """Added to the standard deviation of a group's rewards (reward units)."""

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs rewards and behaviour log-probabilities.

        Metrics: `objective/clip_share` the share of clipped samples, `objective/ratio` the mean of s.
        """
        advantage_PG = standardised(reward_of(batch), batch.valid_PG, self.eps)
        ratio_PG = exp_ratio(mean_steps(log_importance(batch), batch))
        up_PG, above_PG = unclipped(advantage_PG.clamp(min=0), ratio_PG, self.clip_high)
        down_PG, below_PG = unclipped(advantage_PG.clamp(max=0), ratio_PG, self.clip_low)
        metrics = {
            "objective/clip_share": metric((above_PG | below_PG).to(ratio_PG.dtype), batch.valid_PG),
            "objective/ratio": metric(ratio_PG, batch.valid_PG),
        }
        weight_PG = (up_PG + down_PG) / steps_of(batch).sum(-1).clamp(min=1)
        return policy_gradient(batch, weight_PG[..., None].expand_as(batch.logp_PGT), metrics)
