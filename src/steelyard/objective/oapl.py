"""OAPL: regression of the log-ratio to a lagged policy onto the optimal advantage.

Differs: the paper empties its buffer when searchers take new weights, so a group has one lagged policy; out of a replay
buffer each sample has the one that sampled it. `lagged="reference"` is ours: the run's reference is the lagged policy
(--reference-reset makes it follow), whoever sampled.

    V_hat = beta_1 log mean_k exp(r_k / beta_1)
    L     = mean over prompts of mean_j (beta log [pi(y_j|x) / pi_lag(y_j|x)] - (r_j - V_hat))^2

P prompts, G samples per prompt, T steps. Log-probabilities are sums over actions (nats); r in reward units.
V_hat estimates beta log Z(x) where the samples were drawn from pi_lag; then the minimiser is pi_lag exp(r / beta) / Z,
in the limit of large groups, for V_hat counts the sample itself. On other data (reward-prioritised, of another policy)
V_hat is off by a constant that no policy can take up, since pi sums to 1. `vargrad-tb` is the same regression with the
mean residual in place of V_hat, and has no such condition.
Source: Ritter et al. 2026, arXiv:2602.19362, and its published code.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from steelyard.core import Batch, Loss, Needs, Positive, method
from steelyard.objective.advantage import reward_of
from steelyard.objective.kernels import squared_residual
from steelyard.objective.reduce import metric, num_samples, prompt_mean, sum_steps

_FIELDS = {"behaviour": "logp_behaviour_PGT", "reference": "logp_ref_PGT"}


@method("oapl", paper="arXiv:2602.19362")
@dataclass(frozen=True)
class OAPL:
    """Regression of the log-ratio to a lagged policy onto the optimal advantage."""

    beta: Positive = 0.05
    """Temperature of the target (the paper's beta_2); larger stays nearer the lagged policy."""
    value_beta: Positive | None = None
    """beta_1, of V_hat: near 0 the best reward of the group, large the mean; None takes beta."""
    lagged: Literal["behaviour", "reference"] = "behaviour"
    """Which policy lags: the one that sampled, or the run's reference."""

    @property
    def needs(self) -> Needs:
        """Rewards, and the log-probabilities of the policy that lags."""
        return Needs(fields=("reward_PG", _FIELDS[self.lagged]), on_policy=True, least_group=2)

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs rewards, and the log-probabilities of the policy that lags.

        Metrics: `objective/value` the mean V_hat and `objective/residual_rms` (reward units), `objective/kl` the mean
        log-ratio to the lagged policy (nats).
        """
        valid_PG = batch.valid_PG
        reward_PG = reward_of(batch)
        ratio_PG = sum_steps(batch.logp_PGT - batch.field(_FIELDS[self.lagged]).detach(), batch)
        value_PG = self._value(batch).expand_as(reward_PG)
        residual_PG = (self.beta * ratio_PG - (reward_PG - value_PG)).where(valid_PG, 0.0)
        rms_P1 = prompt_mean(residual_PG.detach().square(), valid_PG).sqrt()
        metrics = {
            "objective/value": metric(value_PG, valid_PG),
            "objective/residual_rms": metric(rms_P1, valid_PG.any(-1, keepdim=True)),
            "objective/kl": metric(ratio_PG, valid_PG),
        }
        return squared_residual(residual_PG, valid_PG, metrics)

    def _value(self, batch: Batch) -> Float[Tensor, "P 1"]:
        """V_hat of each prompt; 0 where nothing is valid."""
        beta = self.value_beta or self.beta
        valid_PG = batch.valid_PG
        scaled_PG = (reward_of(batch) / beta).where(valid_PG, -torch.inf)
        some_P1 = valid_PG.any(-1, keepdim=True)
        total_P1 = scaled_PG.where(some_P1, 0.0).logsumexp(-1, keepdim=True)
        return (beta * (total_P1 - num_samples(valid_PG).to(total_P1.dtype).log())).where(some_P1, 0.0)
