"""REINFORCE with a leave-one-out baseline.

    R_j = r_j - beta (log pi(y_j|x) - log pi_ref(y_j|x)),    no gradient
    A_j = R_j - mean_{k != j} R_k
    L   = - mean over prompts of mean_j A_j log pi(y_j|x)

P prompts, G samples per prompt, T steps. Log-probabilities are sums over actions (nats); r in reward units.
A prompt's only valid sample has no baseline and so A = 0. There is no importance ratio.
Source: Kool et al. 2019; for language models Ahmadian et al. 2024, arXiv:2402.14740.
"""

from dataclasses import dataclass

from steelyard.core import Batch, Loss, Needs, NonNegative, method
from steelyard.objective.advantage import leave_one_out, shaped_reward
from steelyard.objective.kernels import policy_gradient
from steelyard.objective.reduce import metric


@method("rloo", paper="arXiv:2402.14740")
@dataclass(frozen=True)
class RLOO:
    """REINFORCE with a leave-one-out baseline."""

    beta: NonNegative = 0.0
    """Weight of the KL penalty inside the reward; 0 needs no reference."""

    @property
    def needs(self) -> Needs:
        """Rewards, and the reference where beta is not 0."""
        fields = ("reward_PG", "logp_ref_PGT") if self.beta else ("reward_PG",)
        return Needs(fields=fields, on_policy=True, least_group=2)

    def __call__(self, batch: Batch) -> Loss:
        """The loss; metric `objective/shaped_reward` is the mean of R."""
        reward_PG = shaped_reward(batch, self.beta)
        advantage_PG = leave_one_out(reward_PG, batch.valid_PG)
        metrics = {"objective/shaped_reward": metric(reward_PG, batch.valid_PG)}
        return policy_gradient(batch, advantage_PG[..., None].expand_as(batch.logp_PGT), metrics)
