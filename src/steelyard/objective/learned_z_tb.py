"""Trajectory balance with log Z predicted from the prompt by a trained head.

Differs: the papers' losses are L / beta^2 (nats).

    residual_j = beta (log Z(x) + log pi(y_j|x)) - beta_ref log pi_ref(y_j|x) - r_j
    L          = mean over prompts of mean_j residual_j^2

beta_ref is beta, so that the target is pi_ref exp(r / beta), unless it is set. Then the target is
pi_ref^(beta_ref/beta) exp(r / beta): at beta = T b and beta_ref = b / gamma this is the tempered reward of red-teaming,
(pi_ref^(1/gamma) exp(r / b))^(1/T), and a beta that falls to b is a T that falls to 1.

P prompts, G samples per prompt, T steps, D hidden features. Log-probabilities are sums over actions; log Z in nats,
residual and r in reward units. The gradient reaches both pi and the head, so one sample per prompt already teaches.
Source: Malkin et al. 2022, arXiv:2201.13259; the head on mean-pooled prompts: Lee et al. 2024, arXiv:2405.18540.
"""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from steelyard.core import Batch, Loss, Needs, NonNegative, Positive, method
from steelyard.objective.advantage import reward_of
from steelyard.objective.heads import LinearHead
from steelyard.objective.kernels import squared_residual
from steelyard.objective.reduce import log_ratio, metric, prompt_mean, sum_steps


@method("learned-z-tb", paper="arXiv:2201.13259")
@dataclass(frozen=True)
class LearnedZTB:
    """Trajectory balance with log Z predicted from the prompt by a trained head."""

    needs: ClassVar[Needs] = Needs(fields=("reward_PG", "logp_ref_PGT"), log_z=LinearHead)

    beta: Positive = 0.05
    """Temperature of the KL-tilted target; larger stays nearer the reference."""
    reference_beta: NonNegative | None = None
    """Weight of the reference's log-probability (beta_ref); None for beta, also as beta changes."""

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs rewards, reference log-probabilities and `log_z_P`.

        Metrics: `objective/log_z` the head's prediction (nats), `objective/residual_rms` (reward units), `objective/kl`
        the mean log-ratio to the reference (nats); each a mean over prompts.
        """
        ratio_PG = log_ratio(batch)
        valid_PG = batch.valid_PG
        log_z_PG = batch.field("log_z_P")[:, None].expand_as(ratio_PG)
        residual_PG = self.beta * (log_z_PG + ratio_PG) - reward_of(batch) + self._held_back(batch)
        rms_P1 = prompt_mean(residual_PG.detach().square(), valid_PG).sqrt()
        metrics = {
            "objective/log_z": metric(log_z_PG, valid_PG),
            "objective/residual_rms": metric(rms_P1, valid_PG.any(-1, keepdim=True)),
            "objective/kl": metric(ratio_PG, valid_PG),
        }
        return squared_residual(residual_PG, valid_PG, metrics)

    def _held_back(self, batch: Batch) -> Float[Tensor, "P G"] | float:
        """(beta - beta_ref) log pi_ref: what the log-ratio's reference has too much."""
        if self.reference_beta is None:
            return 0.0
        return (self.beta - self.reference_beta) * sum_steps(batch.field("logp_ref_PGT"), batch)
