"""Direct preference optimisation: a logistic loss on the log-ratio margin of a pair.

    s = log pi(y|x) - log pi_ref(y|x)                      length-normalised: s / |y|
    L = mean over pairs of -log sigma(beta (s_w - s_l))

P prompts, G = 2 samples per prompt, T steps. Log-probabilities are sums over actions (nats), |y| counts actions; where
s is divided by it, beta is larger: Tulu 3 takes 5. y_w is the sample with the higher reward; ties and pairs with an
invalid sample weigh 0.
Source: Rafailov et al. 2023, arXiv:2305.18290; length-normalised: equation 6 of Lambert et al. 2024, arXiv:2411.15124.
"""

from dataclasses import dataclass
from typing import ClassVar

from steelyard.core import Batch, Loss, Needs, Positive, method
from steelyard.objective.kernels import contrast
from steelyard.objective.preference import chosen_rejected
from steelyard.objective.reduce import log_ratio, mean_log_ratio, metric


@method("dpo", paper="arXiv:2305.18290")
@dataclass(frozen=True)
class DPO:
    """Direct preference optimisation."""

    needs: ClassVar[Needs] = Needs(fields=("reward_PG", "logp_ref_PGT"), group_size=2)

    beta: Positive = 0.1
    """Strength of the pull to the reference."""
    length_normalised: bool = False
    """Compare completions by their mean log-ratio of a step, so that their length has no weight of its own."""

    def __call__(self, batch: Batch) -> Loss:
        """The loss; metrics `objective/margin` (nats) and `objective/accuracy`, the share of pairs with s_w > s_l."""
        score_PG = mean_log_ratio(batch) if self.length_normalised else log_ratio(batch)
        chosen_P1, rejected_P1, mask_P1 = chosen_rejected(batch, score_PG)
        margin_P1 = chosen_P1 - rejected_P1
        metrics = {
            "objective/margin": metric(margin_P1, mask_P1),
            "objective/accuracy": metric((margin_P1 > 0).to(margin_P1.dtype), mask_P1),
        }
        return contrast(chosen_P1, rejected_P1, mask_P1, beta=self.beta, metrics=metrics)
