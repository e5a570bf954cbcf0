"""Kahneman-Tversky optimisation: single samples, each good or bad, valued against a reference point.

Differs: the paper estimates z0 from mismatched prompts and completions of the batch, which costs another forward pass.
Here the other samples of the same prompt stand for them, so z0 belongs to a sample, and is 0 where it is alone.

    s_j = log pi(y_j|x) - log pi_ref(y_j|x)
    z_j = max(0, mean_{k != j} s_k),    no gradient
    l_j = lambda_D (1 - sigma(beta (s_j - z_j))) where y_j is desirable, else lambda_U (1 - sigma(beta (z_j - s_j)))
    L   = mean over prompts of mean_j l_j

P prompts, G samples per prompt, T steps. Log-probabilities are sums over actions (nats), and k runs over valid samples.
No pairs are needed: y_j is desirable where its reward is above a threshold. l is lambda minus the paper's value v.
Source: Ethayarajh et al. 2024, arXiv:2402.01306.
"""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Bool, Float
from torch import Tensor

from steelyard.core import Batch, Loss, Needs, NonNegative, Positive, method
from steelyard.objective.advantage import reward_of
from steelyard.objective.kernels import one_sided
from steelyard.objective.reduce import batch_mean, log_ratio, metric, num_prompts


@method(
    "kto",
    paper="arXiv:2402.01306",
    claim="matches DPO without pairs: one bit for each sample is enough",
)
@dataclass(frozen=True)
class KTO:
    """Kahneman-Tversky optimisation on single samples, each good or bad."""

    needs: ClassVar[Needs] = Needs(fields=("reward_PG", "logp_ref_PGT"))

    beta: Positive = 0.1
    """Steepness of the value function; smaller saturates later."""
    desirable_weight: NonNegative = 1.0
    """lambda_D: what a desirable sample counts."""
    undesirable_weight: NonNegative = 1.0
    """lambda_U: what an undesirable sample counts."""
    threshold: float = 0.5
    """A sample is desirable where its reward is above this."""

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs rewards and reference log-probabilities.

        Metrics: `objective/desirable` the share of desirable samples, `objective/kl` the mean log-ratio to the
        reference and `objective/z0` the mean reference point (nats); each a mean over prompts.
        """
        score_PG = log_ratio(batch)
        valid_PG = batch.valid_PG
        z0_PG = others_mean(score_PG, valid_PG.to(score_PG.dtype))
        desirable_PG = reward_of(batch) > self.threshold
        loss_PG = prospect(score_PG, z0_PG, desirable_PG, self.beta, (self.desirable_weight, self.undesirable_weight))
        metrics = {
            "objective/desirable": metric(desirable_PG.to(score_PG.dtype), valid_PG),
            "objective/kl": metric(score_PG, valid_PG),
            "objective/z0": metric(z0_PG, valid_PG),
        }
        return Loss(batch_mean(loss_PG, valid_PG), num_prompts(valid_PG), metrics)


def prospect(
    score: Float[Tensor, "..."],
    z0: Float[Tensor, "..."],
    desirable: Bool[Tensor, "..."],
    beta: float,
    weights: tuple[float, float],
) -> Float[Tensor, "..."]:
    """lambda minus the value of each score, with the weights lambda_D and lambda_U."""
    loss = one_sided(score, z0, desirable, beta=beta, log=False)
    return (weights[0] * loss).where(desirable, weights[1] * loss)


def others_mean(sum_PG: Float[Tensor, "P G"], count_PG: Float[Tensor, "P G"]) -> Float[Tensor, "P G"]:
    """The reference point: max(0, sum / count) over the prompt's other samples; 0 where these count nothing."""
    sum_PG = sum_PG.detach()
    others_PG, number_PG = (x_PG.sum(-1, keepdim=True) - x_PG for x_PG in (sum_PG, count_PG))
    return (others_PG / number_PG.clamp(min=1)).clamp(min=0)
