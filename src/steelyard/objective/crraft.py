"""CRRAFT, calibrated and regularised reward-ranked fine-tuning: imitate the best sample that passes, by its reward.

Differs: samples of equal reward share a place, as a mean over them, where the source takes one of them.

    y* = argmax of c_j where J_j = 1, c_j > 0 and d_j <= d_max,    d_j = log pi(y_j|x) - log pi_ref(y_j|x)
    L  = - mean over prompts of c(y*) log pi(y*|x)

P prompts, G samples per prompt, T steps. Log-probabilities are sums over actions (nats). J_j is 1 where every judge
passes y_j; c is the reward, calibrated by `Constrained`. Where no sample qualifies, the baseline response y0 stands in,
if it passes too and is near enough: a demonstration in the group, with the weight sigma(0) = 1/2, its calibrated reward
against itself. Where that is missing as well, the prompt weighs 0.
Source: Xu et al. 2024, arXiv:2409.20370; equations read in code that cites them. Our reading: d_max is 20 nats.
"""

from dataclasses import dataclass
from typing import ClassVar

from steelyard.core import Batch, Loss, Needs, NonNegative, PositiveOrInf, method
from steelyard.objective.advantage import reward_of
from steelyard.objective.judged import highest, judged_metrics, samples_of
from steelyard.objective.kernels import weighted_likelihood
from steelyard.objective.reduce import log_ratio, num_prompts, num_samples


@method(
    "crraft",
    paper="arXiv:2409.20370",
    claim="Fine-tuning on the best sample that passes, without the reward hacking of PPO.",
)
@dataclass(frozen=True)
class CRRAFT:
    """Imitation of each prompt's best passing sample, or of its baseline response, weighted by the reward."""

    needs: ClassVar[Needs] = Needs(fields=("reward_PG", "logp_ref_PGT"), labels=("passes", "demonstration"))

    max_kl: PositiveOrInf = 20.0
    """d_max: the log-ratio to the reference (nats) up to which a response may be imitated; inf does not look at it."""
    fallback: NonNegative = 0.5
    """Weight of the baseline response where no sample qualifies; 0 skips the prompt."""

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs rewards, verdicts and reference log-probabilities.

        Metrics, over prompts that are learned from: `objective/passing` the share of samples that pass,
        `objective/kl` the mean log-ratio (nats).
        """
        sampled_PG = samples_of(batch)
        reward_PG = reward_of(batch)
        near_PG = batch.valid_PG & batch.label("passes") & (log_ratio(batch).detach() <= self.max_kl)
        best_PG = highest(reward_PG, near_PG & sampled_PG & (reward_PG > 0))
        fallback_PG = near_PG & ~sampled_PG & ~best_PG.any(-1, keepdim=True) & (self.fallback > 0)
        used_PG = best_PG | fallback_PG
        weight_PG = reward_PG.where(best_PG, self.fallback).where(used_PG, 0.0) / num_samples(used_PG)
        metrics = judged_metrics(batch, sampled_PG & used_PG.any(-1, keepdim=True))
        return weighted_likelihood(
            batch, weight_PG[..., None].expand_as(batch.logp_PGT), normaliser=num_prompts(used_PG), metrics=metrics
        )
