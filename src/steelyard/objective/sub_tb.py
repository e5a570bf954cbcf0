"""Subtrajectory balance with learned state flows: every part of a completion is balanced, not only the whole.

Differs: the paper's residuals are ours / beta (nats). Flows are learned as soft values in reward units, which start at
0 and stay near rewards whatever beta; the same conditions hold.

    V(s)     = beta log [F(s) / pi_ref(s)],    V = r at the end of the completion
    d_mn     = V(s_m) + beta sum_{m <= t < n} log [pi(y_t) / pi_ref(y_t)] - V(s_n)
    L_j      = sum_{m < n} lambda^(n - m) d_mn^2 / sum_{m < n} lambda^(n - m),    L = mean over prompts of mean_j L_j

P prompts, G samples per prompt, T steps. s_m is what stands before the m-th action, F its flow, pi_ref(s) the
reference's probability of it given the prompt; the head predicts V. Where all d are 0, pi is pi* and
V(s) = beta log E_ref[exp(r / beta) | s]; before the first action V is beta log Z(x).
lambda -> 0 leaves single steps (detailed balance), lambda -> infinity the whole (`learned-z-tb`, the flow of the empty
completion for log Z). Time and memory grow with T^2.
None of the three kernels carries the loss: a sample has a residual for each of its parts, each of a weight of its own.
Source: Madan et al. 2022, arXiv:2209.12782; for language models a form without learned flows, Hu et al. 2023,
arXiv:2310.04363: it needs the probability of stopping at every step, which a `Batch` does not hold.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from steelyard.core import Batch, Loss, Needs, Positive, method
from steelyard.objective.advantage import reward_of
from steelyard.objective.heads import LinearHead
from steelyard.objective.reduce import batch_mean, log_ratio, metric, num_prompts, steps_of


@method("sub-tb", paper="arXiv:2209.12782")
@dataclass(frozen=True)
class SubTB:
    """Subtrajectory balance with learned state flows."""

    needs: ClassVar[Needs] = Needs(fields=("reward_PG", "logp_ref_PGT"), value=LinearHead)

    beta: Positive = 0.05
    """Temperature of the KL-tilted target; larger stays nearer the reference."""
    lam: Positive = 0.9
    """lambda: weight of a part relative to one a step shorter."""

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs rewards, reference log-probabilities and values.

        Metrics: `objective/log_z` V before the first action / beta (nats), `objective/residual_rms` the root of L_j
        (reward units), `objective/kl` the mean log-ratio to the reference (nats); means over samples, then prompts.
        """
        state_PGS = self._states(batch)
        weight_PGSS = _pair_weights(batch, self.lam)
        residual_PGSS = (state_PGS[..., :, None] - state_PGS[..., None, :]).where(weight_PGSS > 0, 0.0)
        loss_PG = (weight_PGSS * residual_PGSS.square()).sum((-1, -2))
        valid_PG = batch.valid_PG
        start_PGT = _before(batch) == 0
        first_PG = batch.field("value_PGT").detach().where(start_PGT & steps_of(batch), 0.0).sum(-1)
        metrics = {
            "objective/log_z": metric(first_PG / self.beta, valid_PG),
            "objective/residual_rms": metric(loss_PG.detach().sqrt(), valid_PG),
            "objective/kl": metric(log_ratio(batch), valid_PG),
        }
        return Loss(batch_mean(loss_PG, valid_PG), num_prompts(valid_PG), metrics)

    def _states(self, batch: Batch) -> Float[Tensor, "P G S"]:
        """V of each state less beta times the log-ratio up to it, the completion's end last: d_mn is a difference."""
        gap_PGT = (batch.logp_PGT - batch.field("logp_ref_PGT").detach()).where(steps_of(batch), 0.0)
        ratio_PGT = self.beta * gap_PGT.cumsum(-1)
        inner_PGT = batch.field("value_PGT") - (ratio_PGT - self.beta * gap_PGT)
        end_PG1 = (reward_of(batch) - ratio_PGT[..., -1])[..., None]
        return torch.cat([inner_PGT.where(steps_of(batch), 0.0), end_PG1], -1)


def _before(batch: Batch) -> Float[Tensor, "P G T"]:
    """How many actions precede each step."""
    steps_PGT = steps_of(batch).to(batch.logp_PGT.dtype)
    return steps_PGT.cumsum(-1) - steps_PGT


def _pair_weights(batch: Batch, lam: float) -> Float[Tensor, "P G S S"]:
    """lambda^(n - m) over its sum for states m before n, 0 elsewhere; a softmax, so that no power overflows."""
    steps_PGT = steps_of(batch)
    total_PG1 = steps_PGT.sum(-1, keepdim=True)
    place_PGS = torch.cat([_before(batch), total_PG1.to(batch.logp_PGT.dtype)], -1)
    there_PGS = torch.cat([steps_PGT, total_PG1 > 0], -1)
    length_PGSS = place_PGS[..., None, :] - place_PGS[..., :, None]
    pair_PGSS = there_PGS[..., :, None] & there_PGS[..., None, :] & (length_PGSS > 0)
    logit_PGSS = (length_PGSS * math.log(lam)).where(pair_PGSS, -torch.inf)
    return logit_PGSS.flatten(-2).softmax(-1).reshape(pair_PGSS.shape).where(pair_PGSS, 0.0)
