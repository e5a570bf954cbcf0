"""Trajectory balance whose samples are weighted by how likely they still are: for old data.

Differs: the weight is FlowRL's (arXiv:2509.15207), here without a lower bound. log Z is the group's own estimate, as in
`vargrad-tb`, where FlowRL learns it with a network, and nothing is divided by the length. That the mean is weighted,
too, is of this project; with the plain mean training came apart at 64 versions.

    d_j = beta (log pi(y_j|x) - log pi_ref(y_j|x)) - r_j
    w_j = min(pi(y_j|x) / mu(y_j|x), C),    no gradient
    c   = sum_k w_k d_k / sum_k w_k
    L   = mean over prompts of mean_j w_j (d_j - c)^2

P prompts, G samples per prompt, T steps; mu is the policy that sampled, log-probabilities are sums over actions (nats),
d and c in reward units. Like `vargrad-tb` it is 0 where pi is pi*, whoever sampled, and where pi is mu and C at least 1
the two are the same. Elsewhere a step follows the samples that the policy would still draw: unweighted, the many that
it has left behind set the group's mean and the size of the step, and right answers lose probability with wrong ones.
With C infinite the gradient is in expectation that of fresh samples, beta times that of KL(pi || pi*) and twice.
A prompt with one valid sample counts in the mean with a loss of 0; one with none does not count.
Source: Zhu et al. 2025, arXiv:2509.15207; Bartoldson et al. 2025, arXiv:2503.18929.
"""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from steelyard.core import Batch, Loss, Needs, Positive, PositiveOrInf, method
from steelyard.objective.advantage import reward_of
from steelyard.objective.clipping import exp_ratio
from steelyard.objective.importance import log_importance
from steelyard.objective.kernels import squared_residual
from steelyard.objective.reduce import log_ratio, metric, sum_steps

_LEAST = 1e-9
"""Of a group's summed weights: below it there is no mean, and no gradient to speak of."""


@method("weighted-tb", paper="arXiv:2509.15207")
@dataclass(frozen=True)
class WeightedTB:
    """Trajectory balance whose samples are weighted by how likely they still are."""

    needs: ClassVar[Needs] = Needs(fields=("reward_PG", "logp_ref_PGT", "logp_behaviour_PGT"), least_group=2)

    beta: Positive = 0.05
    """Temperature of the KL-tilted target; larger stays nearer the reference."""
    ratio_cap: PositiveOrInf = 2.0
    """C: the largest weight of a sample; larger has less bias and more variance, 1e9 never truncates."""

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs rewards, reference and behaviour log-probabilities.

        Metrics: `objective/log_z` -c / beta (nats), `objective/weight` the mean of w, `objective/clamped` the share of
        samples whose weight was truncated, `objective/kl` the mean log-ratio to the reference (nats); each a mean over
        prompts.
        """
        ratio_PG = log_ratio(batch)
        valid_PG = batch.valid_PG
        free_PG = exp_ratio(sum_steps(log_importance(batch), batch))
        w_PG = free_PG.clamp(max=self.ratio_cap).where(valid_PG, 0.0)
        d_PG = self.beta * ratio_PG - reward_of(batch)
        c_P1 = _weighted_mean(d_PG.where(valid_PG, 0.0), w_PG)
        metrics = {
            "objective/log_z": metric((-c_P1 / self.beta).expand_as(d_PG), valid_PG),
            "objective/weight": metric(w_PG, valid_PG),
            "objective/clamped": metric((free_PG > self.ratio_cap).to(w_PG.dtype), valid_PG),
            "objective/kl": metric(ratio_PG, valid_PG),
        }
        return squared_residual(w_PG.sqrt() * (d_PG - c_P1), valid_PG, metrics)


def _weighted_mean(x_PG: Float[Tensor, "P G"], weight_PG: Float[Tensor, "P G"]) -> Float[Tensor, "P 1"]:
    """Of each prompt; no gradient, since weighted residuals sum to 0 without it."""
    total_P1 = weight_PG.sum(-1, keepdim=True).clamp(min=_LEAST)
    return (weight_PG * x_PG.detach()).sum(-1, keepdim=True) / total_P1
