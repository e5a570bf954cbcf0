"""Multi-sample IPO: regress the margin between two groups of a prompt's samples onto 1 / (2 tau), without bias.

Differs: groups are made as for `mdpo`: a prompt's samples above and below its mean reward.
Unconfirmed: the correction is derived here; the paper is known to give an unbiased estimator of low variance.

    s_j = log pi(y_j|x) - log pi_ref(y_j|x)
    h   = mean_{j in W} s_j - mean_{j in L} s_j
    L   = mean over prompts of (h - 1 / (2 tau))^2 - v_W / |W| - v_L / |L|
    v_W = sum_{j in W} (s_j - mean_W s)^2 / (|W| - 1),    0 for a group of one; v_L likewise

P prompts, G samples per prompt, T steps. Log-probabilities are sums over actions (nats). The square of a mean of few
samples is too large by the variance of that mean, which v / |W| estimates; so L has the expectation that groups of any
number would give. A prompt whose valid samples are all alike weighs 0. With two samples it is IPO. On samples that are
learned from again and again the corrected loss has no lower bound: take fresh ones, or `unbiased = False`.
Source: Wang et al. 2024, arXiv:2410.12138.
"""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Bool, Float
from torch import Tensor

from steelyard.core import Batch, Loss, Needs, Positive, method
from steelyard.objective.kernels import squared_residual
from steelyard.objective.preference import above_and_below
from steelyard.objective.reduce import batch_mean, log_ratio, metric, num_samples, prompt_mean


@method(
    "mipo",
    paper="arXiv:2410.12138",
    claim="Comparing groups of samples makes a policy more diverse than comparing single ones, also by noisy labels.",
)
@dataclass(frozen=True)
class MIPO:
    """Multi-sample identity preference optimisation."""

    needs: ClassVar[Needs] = Needs(fields=("reward_PG", "logp_ref_PGT"), least_group=2)

    tau: Positive = 0.1
    """Strength of the pull to the reference; the target margin is 1 / (2 tau) nats."""
    unbiased: bool = True
    """Whether the variance of the groups' means is taken off."""

    def __call__(self, batch: Batch) -> Loss:
        """The loss; metrics `objective/margin` (nats) and `objective/noise`, the variance of the margin (nats^2)."""
        won_PG, lost_PG, mask_P1 = above_and_below(batch)
        score_PG = log_ratio(batch)
        margin_P1 = prompt_mean(score_PG, won_PG) - prompt_mean(score_PG, lost_PG)
        noise_P1 = _noise(score_PG, won_PG) + _noise(score_PG, lost_PG)
        metrics = {"objective/margin": metric(margin_P1, mask_P1), "objective/noise": metric(noise_P1, mask_P1)}
        loss = squared_residual(margin_P1 - 1 / (2 * self.tau), mask_P1, metrics)
        if not self.unbiased:
            return loss
        return Loss(loss.value - batch_mean(noise_P1, mask_P1), loss.weight, metrics)


def _noise(score_PG: Float[Tensor, "P G"], group_PG: Bool[Tensor, "P G"]) -> Float[Tensor, "P 1"]:
    """The variance of a group's mean, estimated without bias; 0 for a group of one."""
    num_P1 = num_samples(group_PG)
    spread_P1 = prompt_mean((score_PG - prompt_mean(score_PG, group_PG)).square(), group_PG)
    return spread_P1 / (num_P1 - 1).clamp(min=1)
