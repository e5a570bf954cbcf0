"""Unlikelihood training: make undesirable tokens less likely, and imitate the others.

Differs: p is clipped to at most 1 - 1e-6; the paper's code keeps 1 - p above 1e-20.

    l_t = - log p_t             where R_t >= - threshold
        = - alpha log(1 - p_t)  elsewhere
    L   = mean of l_t over all tokens,    p_t = pi(x_t | x_<t)

P prompts, G samples per prompt, T steps: P documents, G = 1. R_t, in `reward_PGT`, is minus the score of the token's
segment. Nats per token; the weight is the number of tokens.
Source: Welleck et al. 2019, arXiv:1908.04319, on segments as in Korbak et al. 2023, arXiv:2302.08582.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch

from steelyard.core import Batch, Loss, Needs, NonNegative, method
from steelyard.objective.reduce import steps_of

_NEAREST = 1e-6


@method(
    "unlikelihood",
    paper="arXiv:2302.08582",
    claim="undesirable tokens are pushed away, not only left out",
)
@dataclass(frozen=True)
class Unlikelihood:
    """Likelihood of desirable tokens, unlikelihood of the others."""

    needs: ClassVar[Needs] = Needs(fields=("reward_PGT",))

    threshold: float = 0.00056
    """A token whose segment has a higher score is undesirable."""
    alpha: NonNegative = 1.0
    """Weight of the undesirable tokens' loss."""

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs token scores. Metric `objective/undesirable` is the share of undesirable tokens."""
        steps_PGT = steps_of(batch)
        num_tokens = float(steps_of(batch).sum())
        bad_PGT = (batch.field("reward_PGT").detach() < -self.threshold) & steps_PGT
        logp_PGT = batch.logp_PGT.where(steps_PGT, -1.0)
        far_PGT = torch.log(-torch.expm1(logp_PGT.clamp(max=-_NEAREST)))
        loss_PGT = (-self.alpha * far_PGT).where(bad_PGT, -logp_PGT).where(steps_PGT, 0.0)
        metrics = {"objective/undesirable": float(bad_PGT.sum()) / (num_tokens or 1.0)}
        return Loss(loss_PGT.sum() / (num_tokens or 1.0), num_tokens, metrics)
