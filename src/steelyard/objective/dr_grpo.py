"""GRPO done right: centred rewards, no division by standard deviation or by the sequence's own length.

Differs: the value is that of -sum_t stop_grad(w_t) log pi(y_t), with w_t = A_j rho where not clipped and 0 where
clipped; the gradient is the paper's. One ratio, to the policy that sampled, serves for old and behaviour policy alike.

    A_j = r_j - mean_k r_k
    J   = sum_t min(rho A_j, clip(rho, 1 - eps, 1 + eps) A_j) / max_length,    rho = pi(y_t) / mu(y_t)
    L   = - mean over prompts of mean_j J,    in gradient

P prompts, G samples per prompt, T steps; mu is the behaviour policy. With `importance_ratio` off, w_t = A_j: the
uncorrected method of the lag study.
Source: Liu et al. 2025, arXiv:2503.20783.
"""

from dataclasses import dataclass

from steelyard.core import Batch, Loss, Needs, PositiveInt, PositiveOrInf, method
from steelyard.objective.advantage import centred, reward_of
from steelyard.objective.clipping import clipped_advantage
from steelyard.objective.kernels import policy_gradient


@method("dr-grpo", paper="arXiv:2503.20783")
@dataclass(frozen=True)
class DrGRPO:
    """GRPO done right: centred rewards, no division by standard deviation or by the sequence's own length."""

    clip: PositiveOrInf = 0.2
    """Half-width of the interval around 1 in which the importance ratio may still be pushed; 1e9 never clips."""
    importance_ratio: bool = True
    """Correct for the behaviour policy; off, old data is taken as if it were fresh."""
    max_length: PositiveInt = 1
    """The constant length (tokens) that divides every sequence's sum."""

    @property
    def needs(self) -> Needs:
        """The behaviour policy only where the ratio is on."""
        behaviour = ("logp_behaviour_PGT",) if self.importance_ratio else ()
        return Needs(fields=("reward_PG", *behaviour), on_policy=not self.importance_ratio, least_group=2)

    def __call__(self, batch: Batch) -> Loss:
        """The loss; with the ratio on it needs `logp_behaviour_PGT` and reports `clip_share` and `ratio`."""
        advantage_PG = centred(reward_of(batch), batch.valid_PG) / self.max_length
        if not self.importance_ratio:
            return policy_gradient(batch, advantage_PG[..., None].expand_as(batch.logp_PGT))
        weight_PGT, metrics = clipped_advantage(batch, advantage_PG, self.clip)
        return policy_gradient(batch, weight_PGT, metrics)
