"""M2PO: GRPO on old data, whose trust region is a bound on the second moment of the log-ratios.

Differs: the bound is kept per prompt, so that a batch may be cut between prompts; the paper keeps it once over the
whole batch. What holds for every prompt holds for the batch, at the price of masking at least as many steps. Steps of
equal m go together. The published code takes micro-batches in place of the batch, and caps m where the paper masks. The
value is that of -stop_grad(w_t) log pi(y_t), with w_t = M_t rho_t A_j; the gradient is the paper's. eps is added to the
standard deviation, as GRPO does.

    A_j = (r_j - mean_k r_k) / (std_k r_k + eps)
    m_t = (log rho_t)^2,    rho_t = pi(y_t) / mu(y_t)
    S   = {t: A_j > 0 and rho_t > 1, or A_j < 0 and rho_t < 1}, the steps that PPO could clip
    M_t = 0 for the largest m_t of S, as many as it takes until the mean of the others is at most threshold; else 1
    L   = - mean over prompts of sum_jt M_t rho_t A_j / sum_j |y_j|,    in gradient

P prompts, G samples per prompt, T steps; mu is the behaviour policy and |y| the number of actions, masked ones among
them. m in nats squared. By the paper chi^2(pi || mu) <= R^2 E[m] where ratios lie between 1/R and R.
Source: Zheng et al. 2025, arXiv:2510.01161, equations 4 and 5 and algorithm 1.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from steelyard.core import Batch, Loss, Needs, Positive, PositiveOrInf, method
from steelyard.objective.advantage import reward_of, standardised
from steelyard.objective.clipping import exp_ratio
from steelyard.objective.importance import log_importance, step_mean
from steelyard.objective.kernels import token_gradient
from steelyard.objective.reduce import steps_of


@method(
    "m2po",
    paper="arXiv:2510.01161",
    claim="data that is hundreds of updates old trains as well as fresh data, with few steps masked",
)
@dataclass(frozen=True)
class M2PO:
    """GRPO whose trust region is a bound on the second moment of the log-ratios."""

    needs: ClassVar[Needs] = Needs(fields=("reward_PG", "logp_behaviour_PGT"), least_group=2)

    threshold: PositiveOrInf = 0.04
    """Largest mean of squared log-ratios (nats^2) over the steps that move away from the sampler; 1e9 masks none."""
    eps: Positive = 1e-4
    """Added to the standard deviation of a group's rewards (reward units)."""

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs rewards and behaviour log-probabilities.

        Metrics, means per trajectory: `objective/masked_share` the share of masked steps, `objective/m2` the mean of m
        over all steps (nats^2).
        """
        advantage_PG1 = standardised(reward_of(batch), batch.valid_PG, self.eps)[..., None]
        gap_PGT = log_importance(batch)
        m2_PGT = gap_PGT.square()
        away_PGT = steps_of(batch) & (advantage_PG1.sign() * gap_PGT > 0)
        masked_PGT = beyond_bound(m2_PGT.flatten(1), away_PGT.flatten(1), self.threshold).view_as(m2_PGT)
        weight_PGT = (exp_ratio(gap_PGT) * advantage_PG1).where(~masked_PGT, 0.0)
        metrics = {
            "objective/masked_share": step_mean(masked_PGT, batch),
            "objective/m2": step_mean(m2_PGT, batch),
        }
        return token_gradient(batch, weight_PGT, metrics)


def beyond_bound(x_PK: Float[Tensor, "P K"], mask_PK: Bool[Tensor, "P K"], bound: float) -> Bool[Tensor, "P K"]:
    """The largest entries of each row without which the mean of the row's other entries in the mask is at most `bound`.

    >>> x, mask = torch.tensor([[1.0, 4.0, 9.0, 2.0]]), torch.tensor([[True, True, False, True]])
    >>> beyond_bound(x, mask, bound=1.5).tolist()
    [[False, True, False, False]]
    """
    rising_PK = x_PK.where(mask_PK, torch.inf).sort(-1).values
    # Means of the smallest 1, 2, ... entries never fall, so all from the first that is too large on are left out.
    mean_PK = rising_PK.cumsum(-1) / torch.arange(1, rising_PK.shape[-1] + 1, device=x_PK.device)
    first_P1 = rising_PK.where(mean_PK > bound, torch.inf).amin(-1, keepdim=True)
    return mask_PK & (x_PK >= first_P1)
