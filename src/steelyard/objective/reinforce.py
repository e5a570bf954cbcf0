"""REINFORCE on the KL-shaped reward, with no baseline or ratio: the control of the studies `exact` and `off-policy`.

    R_j = r_j - beta (log pi(y_j|x) - log pi_ref(y_j|x)),    no gradient
    L   = - mean over prompts of mean_j R_j log pi(y_j|x)

P prompts, G samples per prompt, T steps. Log-probabilities are sums over actions (nats); r in reward units.
Its gradient is that of the KL-regularised reward only where y was drawn from pi; on older data it is biased.
Source: Williams 1992, doi:10.1007/BF00992696.
"""

from dataclasses import dataclass

from steelyard.core import Batch, Loss, Needs, NonNegative, method
from steelyard.objective.advantage import shaped_reward
from steelyard.objective.kernels import policy_gradient
from steelyard.objective.reduce import metric


@method("reinforce", paper="doi:10.1007/BF00992696")
@dataclass(frozen=True)
class Reinforce:
    """REINFORCE on the KL-shaped reward, with neither baseline nor importance ratio."""

    beta: NonNegative = 0.0
    """Weight of the KL penalty inside the reward; 0 needs no reference."""

    @property
    def needs(self) -> Needs:
        """Rewards, and the reference where beta is not 0."""
        return Needs(fields=("reward_PG", "logp_ref_PGT") if self.beta else ("reward_PG",), on_policy=True)

    def __call__(self, batch: Batch) -> Loss:
        """The loss; metric `objective/shaped_reward` is the mean of R."""
        reward_PG = shaped_reward(batch, self.beta)
        metrics = {"objective/shaped_reward": metric(reward_PG, batch.valid_PG)}
        return policy_gradient(batch, reward_PG[..., None].expand_as(batch.logp_PGT), metrics)
