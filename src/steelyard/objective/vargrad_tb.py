"""Trajectory balance with log Z estimated from the prompt's own group.

Differs: the paper's loss is L / beta^2 (nats); in reward units one learning rate and one clip serve every beta. The
paper stops the gradient at the mean; residuals of a group sum to 0, so that changes nothing.

    d_j = beta (log pi(y_j|x) - log pi_ref(y_j|x)) - r_j
    L   = mean over prompts of mean_j (d_j - mean_k d_k)^2

P prompts, G samples per prompt, T steps. Log-probabilities are sums over actions, with no length normalisation; d and
r in reward units, so L is the within-prompt variance of d.
The minimiser is pi*(y|x) ∝ pi_ref(y|x) exp(r/beta) under any sampling distribution of full support, so old data needs
no importance ratio.
A prompt with one valid sample counts in the mean with a loss of 0; one with none does not count.
Source: Bartoldson et al. 2025, arXiv:2503.18929; VarGrad: Richter et al. 2020, arXiv:2010.10436.
"""

from dataclasses import dataclass
from typing import ClassVar

from steelyard.core import Batch, Loss, Needs, Positive, method
from steelyard.objective.advantage import centred, reward_of
from steelyard.objective.kernels import squared_residual
from steelyard.objective.reduce import log_ratio, metric, prompt_mean


@method("vargrad-tb", paper="arXiv:2503.18929")
@dataclass(frozen=True)
class VarGradTB:
    """Trajectory balance with log Z estimated from the prompt's own group."""

    needs: ClassVar[Needs] = Needs(fields=("reward_PG", "logp_ref_PGT"), least_group=2)

    beta: Positive = 0.05
    """Temperature of the KL-tilted target; larger stays nearer the reference."""

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs rewards and reference log-probabilities.

        Metrics: `objective/log_z` the group's estimate of log Z (nats), `objective/residual_rms` (reward units),
        `objective/kl` the mean log-ratio to the reference (nats); each a mean over prompts.
        """
        ratio_PG = log_ratio(batch)
        valid_PG = batch.valid_PG
        d_PG = self.beta * ratio_PG - reward_of(batch)
        residual_PG = centred(d_PG, valid_PG)
        rms_P1 = prompt_mean(residual_PG.detach().square(), valid_PG).sqrt()
        metrics = {
            "objective/log_z": metric(-d_PG / self.beta, valid_PG),
            "objective/residual_rms": metric(rms_P1, valid_PG.any(-1, keepdim=True)),
            "objective/kl": metric(ratio_PG, valid_PG),
        }
        return squared_residual(residual_PG, valid_PG, metrics)
