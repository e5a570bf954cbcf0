"""Proximal RLOO: leave-one-out REINFORCE with a clipped ratio of whole sequences, for data a few versions old.

Differs: the ratio is to the policy that sampled; the published code takes the learner's policy when the batch arrives.
The value is that of -stop_grad(w_j) log pi(y_j), with w_j = rho A where not clipped and 0 where clipped; the gradient
is the paper's.

    R_j = r_j - beta (log pi(y_j|x) - log pi_ref(y_j|x)),    no gradient
    A_j = R_j - mean_{k != j} R_k
    J   = min(rho_j A_j, clip(rho_j, 1 - eps, 1 + eps) A_j),    rho_j = pi(y_j|x) / mu(y_j|x)
    L   = - mean over prompts of mean_j J,    in gradient

P prompts, G samples per prompt, T steps; mu is the policy that sampled, log-probabilities are sums over actions (nats).
Where rho is 1 it is RLOO. A prompt's only valid sample has A = 0.
Source: Noukhovitch et al. 2024, arXiv:2410.18252, and its published code.
"""

from dataclasses import dataclass

from steelyard.core import Batch, Loss, Needs, NonNegative, PositiveOrInf, method
from steelyard.objective.advantage import leave_one_out, shaped_reward
from steelyard.objective.clipping import exp_ratio, unclipped
from steelyard.objective.importance import log_importance
from steelyard.objective.kernels import policy_gradient
from steelyard.objective.reduce import metric, sum_steps


@method("proximal-rloo", paper="arXiv:2410.18252")
@dataclass(frozen=True)
class ProximalRLOO:
    """Leave-one-out REINFORCE with a clipped ratio of whole sequences."""

    beta: NonNegative = 0.0
    """Weight of the KL penalty inside the reward; 0 needs no reference."""
    clip: PositiveOrInf = 0.2
    """Half-width of the interval around 1 in which a sequence's ratio may still be pushed; 1e9 never clips."""

    @property
    def needs(self) -> Needs:
        """The reference only where beta is not 0."""
        reference = ("logp_ref_PGT",) if self.beta else ()
        return Needs(fields=("reward_PG", "logp_behaviour_PGT", *reference), least_group=2)

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs rewards and behaviour log-probabilities, with beta also the reference's.

        Metrics: `objective/shaped_reward` the mean of R, `objective/clip_share` the share of clipped samples,
        `objective/ratio` the mean of rho.
        """
        reward_PG = shaped_reward(batch, self.beta)
        ratio_PG = exp_ratio(sum_steps(log_importance(batch), batch))
        weight_PG, clipped_PG = unclipped(leave_one_out(reward_PG, batch.valid_PG), ratio_PG, self.clip)
        metrics = {
            "objective/shaped_reward": metric(reward_PG, batch.valid_PG),
            "objective/clip_share": metric(clipped_PG.to(ratio_PG.dtype), batch.valid_PG),
            "objective/ratio": metric(ratio_PG, batch.valid_PG),
        }
        return policy_gradient(batch, weight_PG[..., None].expand_as(batch.logp_PGT), metrics)
