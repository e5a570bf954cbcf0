"""Group-relative policy optimisation: standardised rewards, per-sequence token means, clipped ratio, KL penalty.

Differs: beta is 0 by default, as in most recent use; the paper's is 0.04. The value is that of
-mean_t stop_grad(w_t) log pi(y_t), with w_t = A_j rho where not clipped and 0 where clipped, minus beta (1 - e^u); the
gradient is the paper's. std is the population's. One ratio, to the policy that sampled, serves for old and behaviour.

    A_j = (r_j - mean_k r_k) / (std_k r_k + eps)
    J   = mean_t [min(rho A_j, clip(rho, 1 - c, 1 + c) A_j) - beta (e^u - u - 1)]
    L   = - mean over prompts of mean_j J,    in gradient

P prompts, G samples per prompt, T steps; rho = pi(y_t) / mu(y_t) with mu the behaviour policy, and
u = log pi_ref(y_t) - log pi(y_t), so the penalty is the k3 estimate of KL(pi || pi_ref).
Source: Shao et al. 2024, arXiv:2402.03300.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from steelyard.core import Batch, Loss, Needs, NonNegative, Positive, PositiveOrInf, method
from steelyard.objective.advantage import reward_of, standardised
from steelyard.objective.clipping import MOST_NATS, clipped_advantage
from steelyard.objective.kernels import policy_gradient
from steelyard.objective.reduce import mean_steps, metric, steps_of


@method("grpo", paper="arXiv:2402.03300")
@dataclass(frozen=True)
class GRPO:
    """Group-relative policy optimisation."""

    clip: PositiveOrInf = 0.2
    """Half-width of the interval around 1 in which the importance ratio may still be pushed; 1e9 never clips."""
    beta: NonNegative = 0.0
    """Weight of the k3 penalty on the KL to the reference; the paper's is 0.04, and 0 needs no reference."""
    eps: Positive = 1e-4
    """Added to the standard deviation of a group's rewards (reward units)."""

    @property
    def needs(self) -> Needs:
        """The reference only where beta is not 0."""
        reference = ("logp_ref_PGT",) if self.beta else ()
        return Needs(fields=("reward_PG", "logp_behaviour_PGT", *reference), least_group=2)

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs `logp_behaviour_PGT`, and reports `clip_share`, `ratio` and, with beta, `k3` (nats)."""
        advantage_PG = standardised(reward_of(batch), batch.valid_PG, self.eps)
        weight_PGT, metrics = clipped_advantage(batch, advantage_PG, self.clip)
        if self.beta > 0:
            u_PGT = _log_gap(batch)
            rise_PGT = u_PGT.clamp(max=MOST_NATS).expm1()
            weight_PGT = weight_PGT + self.beta * rise_PGT
            k3_PG = mean_steps(rise_PGT - u_PGT, batch)
            metrics = {**metrics, "objective/k3": metric(k3_PG, batch.valid_PG)}
        length_PG1 = steps_of(batch).sum(-1, keepdim=True).clamp(min=1)
        return policy_gradient(batch, weight_PGT / length_PG1, metrics)


def _log_gap(batch: Batch) -> Float[Tensor, "P G T"]:
    """log pi_ref - log pi at each action (nats), 0 elsewhere; no gradient."""
    return (batch.field("logp_ref_PGT") - batch.logp_PGT).detach().where(steps_of(batch), 0.0)
