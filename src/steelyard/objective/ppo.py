"""Proximal policy optimisation with a value head, as in RLHF: clipped ratio at each token, GAE, KL-shaped rewards.

Differs: no value is stored with a sample, so old values are the head's own at this step and the paper's value clipping
has nothing to clip. Advantages are not whitened: that takes statistics of the whole batch, which a micro-batch does not
see. The head is linear on the policy's last state and shares its trunk; the paper's RLHF uses a model of its own.
The value is that of a surrogate whose gradient is the paper's.

    r_t = - beta (log mu(y_t) - log pi_ref(y_t)), and the sequence's reward at the last action
    A_t = GAE(gamma, lambda) of r and V;    R_t = A_t + V_t,    no gradient through A, R
    J_t = min(rho_t A_t, clip(rho_t, 1 - eps, 1 + eps) A_t),    rho_t = pi(y_t) / mu(y_t)
    L   = - mean_t J_t + c mean_t (V_t - R_t)^2 / 2,    means over all actions of the batch

P prompts, G samples per prompt, T steps; mu is the policy that sampled, V_t the head's prediction before step t.
Source: Schulman et al. 2017, arXiv:1707.06347; for RLHF Huang et al. 2024, arXiv:2403.17031; GAE: arXiv:1506.02438.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from steelyard.core import Batch, Loss, Needs, NonNegative, PositiveOrInf, Share, method
from steelyard.objective.advantage import reward_of
from steelyard.objective.clipping import exp_ratio, unclipped
from steelyard.objective.heads import LinearHead
from steelyard.objective.kernels import weighted_likelihood
from steelyard.objective.reduce import steps_of
from steelyard.objective.value import gae, last_action, value_error


@method("ppo", paper="arXiv:1707.06347")
@dataclass(frozen=True)
class PPO:
    """Proximal policy optimisation with a value head."""

    clip: PositiveOrInf = 0.2
    """Half-width of the interval around 1 in which a token's ratio may still be pushed; 1e9 never clips."""
    beta: NonNegative = 0.05
    """Weight of the KL penalty inside the rewards; 0 needs no reference."""
    gamma: Share = 1.0
    """Discount of a step."""
    lam: Share = 0.95
    """lambda of GAE: 0 trusts the next value, 1 the whole return."""
    value_weight: NonNegative = 0.1
    """c: weight of the value's loss."""

    @property
    def needs(self) -> Needs:
        """The reference only where beta is not 0."""
        reference = ("logp_ref_PGT",) if self.beta else ()
        return Needs(fields=("reward_PG", "logp_behaviour_PGT", *reference), value=LinearHead)

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs rewards, values and behaviour log-probabilities, with beta also the reference's.

        Metrics, all means over actions: `objective/clip_share`, `objective/ratio`, `objective/value` the mean V
        (reward units) and `objective/value_error` the mean (V - R)^2.
        """
        steps_PGT = steps_of(batch)
        value_PGT = batch.field("value_PGT")
        advantage_PGT = gae(self._rewards(batch), value_PGT, steps_PGT, self.gamma, self.lam)
        gap_PGT = (batch.logp_PGT - batch.field("logp_behaviour_PGT")).detach()
        ratio_PGT = exp_ratio(gap_PGT.where(steps_PGT, 0.0))
        weight_PGT, clipped_PGT = unclipped(advantage_PGT, ratio_PGT, self.clip)
        num = float(steps_PGT.sum())
        surrogate = weighted_likelihood(batch, weight_PGT, normaliser=num)
        error = value_error(value_PGT, advantage_PGT + value_PGT, steps_PGT)

        def mean(x_PGT: Float[Tensor, "P G T"]) -> float:
            return float(x_PGT.detach().where(steps_PGT, 0.0).sum()) / (num or 1.0)

        metrics = {
            "objective/clip_share": mean(clipped_PGT.to(ratio_PGT.dtype)),
            "objective/ratio": mean(ratio_PGT),
            "objective/value": mean(value_PGT),
            "objective/value_error": float(error.detach()),
        }
        return Loss(surrogate.value + self.value_weight * error / 2, num, metrics)

    def _rewards(self, batch: Batch) -> Float[Tensor, "P G T"]:
        """r of each action, 0 elsewhere."""
        final_PGT = reward_of(batch)[..., None].where(last_action(batch), 0.0)
        if self.beta == 0:
            return final_PGT
        gap_PGT = batch.field("logp_behaviour_PGT") - batch.field("logp_ref_PGT")
        return final_PGT - self.beta * gap_PGT.detach().where(steps_of(batch), 0.0)
