"""The unified policy gradient estimator: four parts, whose choices are SFT, REINFORCE, PPO, GRPO, CISPO and GSPO.

Differs: written as weights of a likelihood, so that pi / pi_den stands for (1 / pi_den) grad pi; the value is that of
-stop_grad(w) log pi, not of the method's own surrogate. CISPO's mask in the paper is unconfirmed: here the ratio is cut
off at 1 + clip and the step is kept, as CISPO's authors do (arXiv:2506.13585).

    grad = 1_stable (1 / pi_den) A grad pi(y_t)
    w_t  = 1_stable rho A,    rho = pi / pi_den

    denominator    current    pi_den = pi, so rho = 1                                   SFT, REINFORCE
                   behaviour  pi_den = mu, the policy that sampled                      PPO, GRPO, CISPO
                   sequence   rho = (pi(y) / mu(y))^(1/|y|), the same for all steps     GSPO
    stable         all        every step counts
                   clip       not those with A > 0, rho > 1 + c, or A < 0, rho < 1 - c  PPO, GRPO, GSPO
                   cut        rho is at most 1 + c                                      CISPO
    advantage      one, reward, centred, standardised

P prompts, G samples per prompt, T steps. With `per_token` an answer's steps are averaged, else summed.
Source: Lv et al. 2025, arXiv:2509.04419.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from steelyard.core import Batch, Loss, Needs, PositiveOrInf, method
from steelyard.objective.advantage import EPS, centred, reward_of, standardised
from steelyard.objective.clipping import exp_ratio
from steelyard.objective.importance import log_importance
from steelyard.objective.kernels import policy_gradient
from steelyard.objective.reduce import mean_steps, metric, steps_of


@method(
    "unified",
    paper="arXiv:2509.04419",
    claim="SFT and reinforcement learning are choices of four parts of one gradient estimator",
)
@dataclass(frozen=True)
class Unified:
    """One estimator, of which the usual objectives are settings; GRPO's by default."""

    denominator: Literal["current", "behaviour", "sequence"] = "behaviour"
    """The policy that a step's likelihood is measured against."""
    stable: Literal["all", "clip", "cut"] = "clip"
    """Which steps count, and how far their ratio may go."""
    advantage: Literal["one", "reward", "centred", "standardised"] = "standardised"
    """What a sample is worth."""
    per_token: bool = True
    """Average an answer's steps; off, they are summed."""
    clip: PositiveOrInf = 0.2
    """Half-width of the interval around 1 in which a ratio counts in full."""

    @property
    def needs(self) -> Needs:
        """Rewards unless the advantage is one; the behaviour policy unless pi is its own denominator."""
        rewards = () if self.advantage == "one" else ("reward_PG",)
        behaviour = () if self.denominator == "current" else ("logp_behaviour_PGT",)
        return Needs(fields=(*rewards, *behaviour), on_policy=self.denominator == "current" and self.advantage != "one")

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs rewards unless the advantage is one, and behaviour log-probabilities unless pi is its own
        denominator. Metric `objective/stable_share` is the share of steps that count."""
        advantage_PG1 = self._advantage(batch)[..., None]
        ratio_PGT = self._ratio(batch)
        stable_PGT = torch.ones_like(ratio_PGT, dtype=torch.bool)
        if self.stable == "clip":
            stable_PGT = advantage_PG1.sign() * (ratio_PGT - 1) <= self.clip
        elif self.stable == "cut":
            ratio_PGT = ratio_PGT.clamp(max=1 + self.clip)
        weight_PGT = torch.where(stable_PGT, ratio_PGT * advantage_PG1, 0.0)
        if self.per_token:
            weight_PGT = weight_PGT / steps_of(batch).sum(-1, keepdim=True).clamp(min=1)
        share = metric(mean_steps(stable_PGT.to(ratio_PGT.dtype), batch), batch.valid_PG)
        return policy_gradient(batch, weight_PGT, {"objective/stable_share": share})

    def _advantage(self, batch: Batch) -> Float[Tensor, "P G"]:
        if self.advantage == "one":
            return batch.valid_PG.to(batch.logp_PGT.dtype)
        reward_PG = reward_of(batch)
        if self.advantage == "reward":
            return reward_PG
        if self.advantage == "centred":
            return centred(reward_PG, batch.valid_PG)
        return standardised(reward_PG, batch.valid_PG, EPS)

    def _ratio(self, batch: Batch) -> Float[Tensor, "P G T"]:
        if self.denominator == "current":
            return torch.ones_like(batch.logp_PGT)
        gap_PGT = log_importance(batch)
        if self.denominator == "sequence":
            return exp_ratio(mean_steps(gap_PGT, batch))[..., None].expand_as(gap_PGT)
        return exp_ratio(gap_PGT)
