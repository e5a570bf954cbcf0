"""VCPO: REINFORCE on old data with the baseline of least variance, and a step that shrinks with the effective samples.

Differs: the baseline weighs samples by the squared norm of grad log pi(y|x) by the parameters, which takes a gradient
for each sample. Here |y| stands for it, as in OPO (arXiv:2505.23585): the gradients of tokens are taken for orthogonal
and equally long. The published recipes also divide r - b by the group's standard deviation and log pi by |y|; the
paper's equations do neither.

    w_j = pi(y_j|x) / mu(y_j|x)
    b   = sum_k w_k^2 |y_k| r_k / sum_k w_k^2 |y_k|
    L   = - mean over prompts of mean_j min(w_j, cap) (r_j - b) log pi(y_j|x),    no gradient through w, b
    eta = eta_0 sqrt(min(1, rho / rho_on)),    rho = (sum w)^2 / (N sum w^2) over the step's N samples

P prompts, G samples per prompt, T steps; mu is the policy that sampled, w the ratio of whole sequences, r in reward
units. b has the ratios without the cap, and the sample itself counts in it, so a prompt's only valid sample weighs 0.
Where ratios are 1 and lengths equal, b is the mean reward. eta_0 is the learning rate, rho the effective sample size as
a share, also without the cap, and rho_on what it is on fresh data.
Source: Huang et al. 2026, arXiv:2602.17616, and its published code.
"""

from dataclasses import dataclass
from math import sqrt
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from steelyard.core import Batch, Loss, Needs, PositiveOrInf, ShareAboveZero, method
from steelyard.objective.advantage import reward_of
from steelyard.objective.clipping import exp_ratio
from steelyard.objective.importance import log_importance
from steelyard.objective.kernels import policy_gradient
from steelyard.objective.reduce import metric, steps_of, sum_steps


@method(
    "vcpo",
    paper="arXiv:2602.17616",
    claim="control of the gradient's variance keeps training stable on data a hundred updates old, without a critic",
)
@dataclass(frozen=True)
class VCPO:
    """REINFORCE on old data with the baseline of least variance."""

    needs: ClassVar[Needs] = Needs(fields=("reward_PG", "logp_behaviour_PGT"), least_group=2)

    cap: PositiveOrInf = 8.0
    """Largest ratio of a sequence, before it is multiplied; 1e9 truncates none."""
    fresh_share: ShareAboveZero = 1.0
    """rho_on: the effective sample size on fresh data, as a share of the samples; the paper's is 1, with tools .55."""

    def rate_scale(self, ess_share: float) -> float:
        """What the step's learning rate is multiplied by.

        >>> VCPO().rate_scale(0.25)
        0.5
        """
        return sqrt(min(1.0, ess_share / self.fresh_share))

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs rewards and behaviour log-probabilities.

        Metrics: `objective/baseline` the mean of b (reward units), `objective/ratio` the mean of min(w, cap), and
        `objective/clamped` the share of samples whose ratio is above the cap.
        """
        reward_PG = reward_of(batch)
        log_ratio_PG = sum_steps(log_importance(batch), batch)
        baseline_P1 = least_variance_baseline(reward_PG, log_ratio_PG, steps_of(batch).sum(-1))
        ratio_PG = exp_ratio(log_ratio_PG)
        capped_PG = ratio_PG.clamp(max=self.cap)
        metrics = {
            "objective/baseline": metric(baseline_P1.expand_as(reward_PG), batch.valid_PG),
            "objective/ratio": metric(capped_PG, batch.valid_PG),
            "objective/clamped": metric((ratio_PG > self.cap).to(ratio_PG.dtype), batch.valid_PG),
        }
        weight_PG = capped_PG * (reward_PG - baseline_P1)
        return policy_gradient(batch, weight_PG[..., None].expand_as(batch.logp_PGT), metrics)


def least_variance_baseline(
    reward_PG: Float[Tensor, "P G"], log_ratio_PG: Float[Tensor, "P G"], length_PG: Int[Tensor, "P G"]
) -> Float[Tensor, "P 1"]:
    """b of each prompt: the mean reward by weights w^2 |y|; 0 where no sample has a length above 0.

    Weights are taken relative to the prompt's largest, so that ratios of any size have a mean.
    """
    log_weight_PG = 2 * log_ratio_PG + length_PG.clamp(min=1).to(log_ratio_PG.dtype).log()
    some_P1 = (length_PG > 0).any(-1, keepdim=True)
    share_PG = log_weight_PG.where(length_PG > 0, -torch.inf).where(some_P1, 0.0).softmax(-1)
    return (share_PG * reward_PG).sum(-1, keepdim=True).where(some_P1, 0.0)
