"""CODPO, constrained online DPO: the best passing sample against the worst violating one, and likelihood of the best.

Differs: samples of equal reward share a place, as means over them, where the source takes one of them.

    w = argmax of c_j where J_j = 1,    l = argmin of c_j where J_j = 0, or of all where all pass
    s = log pi(y|x) - log pi_ref(y|x)
    L = mean over prompts of -log sigma(beta (s_w - s_l)) - lambda log pi(y_w|x) / |y_w|

P prompts, G samples per prompt, T steps. Log-probabilities are sums over actions (nats), |y| counts actions. J_j is 1
where every judge passes y_j; c is the reward. A prompt without a passing sample weighs 0. Demonstrations are left out.
With G = 2, one of each kind and lambda = 0 it is DPO with the passing sample as the chosen one, whatever its reward.
Source: Xu et al. 2024, arXiv:2409.20370; equations read in code that cites them, and whose beta and lambda are
ours too. That code masks rewards by multiplication, so that a masked 0 can win; ours selects.
"""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Bool, Float
from torch import Tensor

from steelyard.core import Batch, Loss, Needs, NonNegative, Positive, method
from steelyard.objective.advantage import reward_of
from steelyard.objective.judged import highest, judged_metrics, samples_of
from steelyard.objective.kernels import contrast, weighted_likelihood
from steelyard.objective.reduce import log_ratio, num_samples, prompt_mean, steps_of


@method(
    "codpo",
    paper="arXiv:2409.20370",
    claim="Online DPO whose pairs are made by judges, without the reward hacking of PPO.",
)
@dataclass(frozen=True)
class CODPO:
    """Online DPO on the best passing sample and the worst violating one, plus likelihood of the best."""

    needs: ClassVar[Needs] = Needs(
        fields=("reward_PG", "logp_ref_PGT"), labels=("passes", "demonstration"), least_group=2
    )

    beta: Positive = 0.1
    """Strength of the pull to the reference."""
    likelihood: NonNegative = 5.0
    """lambda: weight of the chosen sample's mean negative log-likelihood of a step."""

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs rewards, verdicts and reference log-probabilities.

        Metrics, over prompts that have a passing sample: `objective/passing` the share of samples that pass,
        `objective/kl` the mean log-ratio (nats).
        """
        chosen_PG, rejected_PG = pair_of(batch)
        used_P1 = chosen_PG.any(-1, keepdim=True)
        ratio_PG = log_ratio(batch)
        best_P1 = prompt_mean(ratio_PG, chosen_PG)
        worst_P1 = prompt_mean(ratio_PG, rejected_PG)
        metrics = judged_metrics(batch, samples_of(batch) & used_P1)
        pairs = contrast(best_P1, worst_P1, used_P1, beta=self.beta, metrics=metrics)
        share_PG = chosen_PG / num_samples(chosen_PG) / steps_of(batch).sum(-1).clamp(min=1)
        share_PGT = share_PG.to(batch.logp_PGT.dtype)[..., None].expand_as(batch.logp_PGT)
        chosen = weighted_likelihood(batch, share_PGT, normaliser=pairs.weight)
        return Loss(pairs.value + self.likelihood * chosen.value, pairs.weight, metrics)


def pair_of(batch: Batch) -> tuple[Bool[Tensor, "P G"], Bool[Tensor, "P G"]]:
    """The chosen and the rejected sample of each prompt; more than one where rewards tie."""
    sampled_PG = samples_of(batch)
    passes_PG = batch.label("passes")
    reward_PG: Float[Tensor, "P G"] = reward_of(batch)
    violating_PG = sampled_PG & ~passes_PG
    worst_of_PG = violating_PG | (sampled_PG & ~violating_PG.any(-1, keepdim=True))
    return highest(reward_PG, sampled_PG & passes_PG), highest(-reward_PG, worst_of_PG)
