"""Asymmetric REINFORCE (AsymRE): old data as it is, with a baseline below the mean reward.

Differs: the mean is that of the group at hand. It estimates the sampler's expected reward only where the replay draws
groups whatever their rewards. Log-probabilities are summed over steps; whether the paper's experiments with language
models divide by the length, and the unit of their rewards, is unconfirmed.

    V_j = mean_k r_k + shift
    L   = - mean over prompts of mean_j (r_j - V_j) log pi(y_j|x)

P prompts, G samples per prompt, T steps; r and shift in reward units. There is no importance ratio: y may come from any
policy mu, with the expected reward V_mu. While pi is mu, a baseline changes no expectation; afterwards it chooses the
limit. By the paper, with V below V_mu a tabular policy improves on mu and keeps its breadth, and from V_mu on its
support collapses; on reasoning a shift of -0.1 was stable, and without one all seven runs collapsed. Samples of equal
reward, and a prompt's only valid sample, weigh -shift each: they are imitated.
Source: Arnal et al. 2025, arXiv:2506.20520; the group's mean and the default shift as in Trinity-RFT's `asymre`.
"""

from dataclasses import dataclass
from typing import ClassVar

from steelyard.core import Batch, Loss, Needs, method
from steelyard.objective.advantage import centred, reward_of
from steelyard.objective.kernels import policy_gradient
from steelyard.objective.reduce import metric


@method(
    "asymmetric-reinforce",
    paper="arXiv:2506.20520",
    claim="on old data a baseline a little below the mean reward is stable where the mean itself collapses the policy",
)
@dataclass(frozen=True)
class AsymmetricReinforce:
    """REINFORCE on old data, with a baseline below the mean reward."""

    needs: ClassVar[Needs] = Needs(fields=("reward_PG",), least_group=2)

    shift: float = -0.1
    """Added to the mean reward (reward units); lower gives right answers more weight against wrong ones."""

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs rewards.

        Metrics: `objective/baseline` the mean of V (reward units), `objective/negative` the share of samples below it.
        """
        reward_PG = reward_of(batch)
        advantage_PG = (centred(reward_PG, batch.valid_PG) - self.shift).where(batch.valid_PG, 0.0)
        metrics = {
            "objective/baseline": metric(reward_PG, batch.valid_PG) + self.shift,
            "objective/negative": metric((advantage_PG < 0).to(reward_PG.dtype), batch.valid_PG),
        }
        return policy_gradient(batch, advantage_PG[..., None].expand_as(batch.logp_PGT), metrics)
