"""Multi-sample DPO: a logistic loss on the margin between two groups of a prompt's samples.

Differs: the groups are a prompt's samples above and below its mean reward, where the paper is handed two sets that were
compared as sets. A set's reward given to each of its samples makes the same groups.
Unconfirmed: that a group's score is the mean log-ratio of its samples, with one beta.

    s_j = log pi(y_j|x) - log pi_ref(y_j|x)
    L   = mean over prompts of -log sigma(beta (mean_{j in W} s_j - mean_{j in L} s_j))
    W   = {j: r_j > mean_k r_k},   L = {j: r_j < mean_k r_k}

P prompts, G samples per prompt, T steps. Log-probabilities are sums over actions (nats). A prompt whose valid samples
are all alike weighs 0. With two samples it is DPO. A mean of few samples makes the logistic loss biased: use 4 or more
in a group.
Source: Wang et al. 2024, arXiv:2410.12138.
"""

from dataclasses import dataclass
from typing import ClassVar

from steelyard.core import Batch, Loss, Needs, Positive, method
from steelyard.objective.kernels import contrast
from steelyard.objective.preference import above_and_below
from steelyard.objective.reduce import log_ratio, metric, prompt_mean


@method(
    "mdpo",
    paper="arXiv:2410.12138",
    claim="Comparing groups of samples makes a policy more diverse than comparing single ones, also by noisy labels.",
)
@dataclass(frozen=True)
class MDPO:
    """Multi-sample direct preference optimisation."""

    needs: ClassVar[Needs] = Needs(fields=("reward_PG", "logp_ref_PGT"), least_group=2)

    beta: Positive = 0.1
    """Strength of the pull to the reference."""

    def __call__(self, batch: Batch) -> Loss:
        """The loss; metrics `objective/margin` (nats) and `objective/accuracy`, the share of prompts with W above L."""
        won_PG, lost_PG, mask_P1 = above_and_below(batch)
        score_PG = log_ratio(batch)
        won_P1 = prompt_mean(score_PG, won_PG)
        lost_P1 = prompt_mean(score_PG, lost_PG)
        margin_P1 = won_P1 - lost_P1
        metrics = {
            "objective/margin": metric(margin_P1, mask_P1),
            "objective/accuracy": metric((margin_P1 > 0).to(margin_P1.dtype), mask_P1),
        }
        return contrast(won_P1, lost_P1, mask_P1, beta=self.beta, metrics=metrics)
