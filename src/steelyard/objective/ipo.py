"""Identity preference optimisation: regress the log-ratio margin of a pair onto 1 / (2 tau).

    h = (log pi(y_w|x) - log pi_ref(y_w|x)) - (log pi(y_l|x) - log pi_ref(y_l|x))
    L = mean over pairs of (h - 1 / (2 tau))^2

P prompts, G = 2 samples per prompt, T steps. Log-probabilities are sums over actions (nats). y_w is the sample with the
higher reward; ties and pairs with an invalid sample weigh 0.
Source: Azar et al. 2023, arXiv:2310.12036.
"""

from dataclasses import dataclass
from typing import ClassVar

from steelyard.core import Batch, Loss, Needs, Positive, method
from steelyard.objective.kernels import squared_residual
from steelyard.objective.preference import chosen_rejected
from steelyard.objective.reduce import log_ratio, metric


@method("ipo", paper="arXiv:2310.12036")
@dataclass(frozen=True)
class IPO:
    """Identity preference optimisation."""

    needs: ClassVar[Needs] = Needs(fields=("reward_PG", "logp_ref_PGT"), group_size=2)

    tau: Positive = 0.1
    """Strength of the pull to the reference; the target margin is 1 / (2 tau) nats."""

    def __call__(self, batch: Batch) -> Loss:
        """The loss; metrics `objective/margin` (nats) and `objective/accuracy`, the share of pairs with h > 0."""
        chosen_P1, rejected_P1, mask_P1 = chosen_rejected(batch, log_ratio(batch))
        margin_P1 = chosen_P1 - rejected_P1
        metrics = {
            "objective/margin": metric(margin_P1, mask_P1),
            "objective/accuracy": metric((margin_P1 > 0).to(margin_P1.dtype), mask_P1),
        }
        return squared_residual(margin_P1 - 1 / (2 * self.tau), mask_P1, metrics)
