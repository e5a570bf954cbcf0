"""Conditional advantage: a group is split in two by a trait of its answers, and the halves are compared.

Differs: samples with equal traits at the middle belong to both halves in equal shares, so that their order does not
matter; in the authors' code the sort decides. Entropy is the current policy's, theirs is the sampling policy's: the
same on fresh data. A prompt with one valid sample teaches nothing. Schedules of mu are left to the caller, and
a constant tilt that the authors' code also knows is left out.

    F, O   = the favoured half and the other: by length short and long, by entropy high and low; C- has floor(n/2)
    in F:  A = mu (r - alpha mean_O r) + (1 - mu) (r - mean_F r)
    in O:  A = mu (alpha r - mean_F r) + (1 - mu) (r - mean_O r)
    L      = - mean over prompts of mean_j sum_t min(rho A_j, clip(rho) A_j) / max_length,    in gradient

P prompts, G samples per prompt, T steps; n valid samples, C- the half with the lower trait. mu = 1 compares between
the halves, mu = 0 within each; alpha < 1 favours F among right answers. mu = 1/2, alpha = 1 and even n is Dr. GRPO.
As in Dr. GRPO the value is that of -sum_t stop_grad(w_t) log pi(y_t), the gradient the clipped surrogate's.
Source: arXiv:2509.23962 and the authors' code, github.com/biuboomc/CANON.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from steelyard.core import Batch, Loss, Needs, PositiveInt, PositiveOrInf, Share, method
from steelyard.objective.advantage import reward_of
from steelyard.objective.clipping import clipped_advantage
from steelyard.objective.kernels import policy_gradient
from steelyard.objective.ranking import top_share
from steelyard.objective.reduce import mean_steps, metric, steps_of


@method(
    "canon",
    paper="arXiv:2509.23962",
    claim="compares answers of high and low entropy, or long and short ones: better, or shorter at equal accuracy",
)
@dataclass(frozen=True)
class CANON:
    """Conditional advantage: the two halves of a group, split by entropy or length, are compared."""

    trait: Literal["entropy", "length"] = "entropy"
    """What splits a group: mean entropy of an answer's steps (high is favoured) or its length (short is favoured)."""
    mu: Share = 1.0
    """Share of the comparison between the halves; the rest is within each."""
    alpha: Share = 1.0
    """Below 1 the favoured half has an advantage; between 0 and 1."""
    clip: PositiveOrInf = 0.2
    """Half-width of the interval around 1 in which the importance ratio may still be pushed; 1e9 never clips."""
    max_length: PositiveInt = 1
    """The constant length (tokens) that divides every sequence's sum."""

    @property
    def needs(self) -> Needs:
        """The entropy only where it splits groups."""
        return Needs(fields=("reward_PG", "logp_behaviour_PGT"), entropy=self.trait == "entropy", least_group=2)

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs rewards and behaviour log-probabilities, and `entropy_PGT` where that splits.

        Metrics: `objective/favoured_reward` and `objective/other_reward`, the halves' mean rewards, besides
        `objective/clip_share` and `objective/ratio`.
        """
        if self.trait == "entropy":
            trait_PG = mean_steps(batch.field("entropy_PGT").detach(), batch)
        else:
            trait_PG = -steps_of(batch).sum(-1).to(batch.logp_PGT.dtype)
        F_PG = upper_share(trait_PG, batch.valid_PG, larger=self.trait == "entropy")
        O_PG = 1 - F_PG
        r_PG = reward_of(batch)
        mean_F_P1, mean_O_P1 = (half_mean(r_PG, share_PG, batch.valid_PG) for share_PG in (F_PG, O_PG))
        between_PG = F_PG * (r_PG - self.alpha * mean_O_P1) + O_PG * (self.alpha * r_PG - mean_F_P1)
        within_PG = r_PG - F_PG * mean_F_P1 - O_PG * mean_O_P1
        advantage_PG = (self.mu * between_PG + (1 - self.mu) * within_PG) / self.max_length
        several_P1 = batch.valid_PG.sum(-1, keepdim=True) > 1
        advantage_PG = advantage_PG.where(batch.valid_PG & several_P1, 0.0)
        weight_PGT, metrics = clipped_advantage(batch, advantage_PG, self.clip)
        halves = {
            "objective/favoured_reward": metric(mean_F_P1.expand_as(r_PG), batch.valid_PG),
            "objective/other_reward": metric(mean_O_P1.expand_as(r_PG), batch.valid_PG),
        }
        return policy_gradient(batch, weight_PGT, {**metrics, **halves})


def upper_share(trait_PG: Float[Tensor, "P G"], valid_PG: Bool[Tensor, "P G"], *, larger: bool) -> Float[Tensor, "P G"]:
    """Each valid sample's share in the half with the greater trait: 1, 0, or between where equals span the middle.

    Args:
        trait_PG: what the samples are sorted by.
        valid_PG: which count.
        larger: of an odd number, the upper half takes the larger part; else the lower half does.
    """
    size_P1 = (valid_PG.sum(-1, keepdim=True) + int(larger)) // 2
    return top_share(trait_PG, valid_PG, size_P1)


def half_mean(
    x_PG: Float[Tensor, "P G"], share_PG: Float[Tensor, "P G"], valid_PG: Bool[Tensor, "P G"]
) -> Float[Tensor, "P 1"]:
    """Mean over a half, its members counting by their shares; 0 where the half is empty."""
    share_PG = share_PG.where(valid_PG, 0.0)
    total_P1 = share_PG.sum(-1, keepdim=True)
    return (share_PG * x_PG).sum(-1, keepdim=True) / torch.where(total_P1 > 0, total_P1, 1.0)
