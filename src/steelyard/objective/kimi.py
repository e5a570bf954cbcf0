"""Kimi k1.5's policy optimisation: trajectory balance whose control variate is the mean reward alone.

Differs: the paper also forgets the optimiser's state whenever the reference moves; its length penalty and its sampling
of prompts are parts of their own, and not here.

    l_j = log pi(y_j|x) - log pi_ref(y_j|x)
    L   = mean over prompts of mean_j (r_j - mean_k r_k - beta l_j)^2

P prompts, G samples per prompt, T steps. l is a sum over actions (nats); r in reward units; beta is the paper's tau.
The exact residual has beta log Z(x) where this has mean_k r_k. For beta log Z exceeds the reference's mean reward, the
minimiser is not pi* but a more cautious policy (arXiv:2602.05933). The gradient is that of REINFORCE with the mean
reward as baseline and a squared penalty on l. pi_ref is the policy at the start of an iteration: --reference-reset.
Source: Kimi team 2025, arXiv:2501.12599, section 2.3.2.
"""

from dataclasses import dataclass
from typing import ClassVar

from steelyard.core import Batch, Loss, Needs, Positive, method
from steelyard.objective.advantage import centred, reward_of
from steelyard.objective.kernels import squared_residual
from steelyard.objective.reduce import log_ratio, metric, prompt_mean


@method("kimi", paper="arXiv:2501.12599")
@dataclass(frozen=True)
class Kimi:
    """Trajectory balance whose control variate is the mean reward alone."""

    needs: ClassVar[Needs] = Needs(fields=("reward_PG", "logp_ref_PGT"), least_group=2)

    beta: Positive = 0.05
    """The paper's tau: weight of the squared log-ratio; larger stays nearer the reference."""

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs rewards and reference log-probabilities.

        Metrics: `objective/residual_rms` (reward units), `objective/kl` the mean log-ratio to the reference (nats);
        each a mean over prompts.
        """
        ratio_PG = log_ratio(batch)
        valid_PG = batch.valid_PG
        residual_PG = centred(reward_of(batch), valid_PG) - self.beta * ratio_PG
        rms_P1 = prompt_mean(residual_PG.detach().square(), valid_PG).sqrt()
        metrics = {
            "objective/residual_rms": metric(rms_P1, valid_PG.any(-1, keepdim=True)),
            "objective/kl": metric(ratio_PG, valid_PG),
        }
        return squared_residual(residual_PG, valid_PG, metrics)
