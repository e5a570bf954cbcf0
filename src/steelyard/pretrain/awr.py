"""Advantage-weighted regression on tokens: weight each token by how far its segment exceeds the expected reward.

    A_t = R_t - stop_grad(V_t),    V_t = - sigmoid(w h_t + b) on the state h_t before token t
    L   = (alpha sum_t - min(exp(A_t / beta), w_max) log pi(x_t | x_<t) + (1 - alpha) sum_t (R_t - V_t)^2) / tokens

P prompts, G samples per prompt, T steps: P documents, G = 1. R_t, in `reward_PGT`, is minus the score of the token's
segment, and lies in [-1, 0] as V does. The value's gradient reaches the trunk. alpha = 1 and V = 0 is RWR.
Source: Peng et al. 2019, arXiv:1910.00177, on tokens as in Korbak et al. 2023, arXiv:2302.08582.
"""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from steelyard.core import Batch, Loss, Needs, Positive, PositiveOrInf, Share, method
from steelyard.objective.heads import LinearHead
from steelyard.objective.reduce import steps_of
from steelyard.pretrain.rwr import weighted_tokens


class ValueHead(nn.Module):
    """The expected reward: minus the sigmoid of a linear map of the state before a token; initially -1/2."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.linear = LinearHead(hidden_size)

    def forward(self, hidden_MD: Float[Tensor, "M D"]) -> Float[Tensor, "M"]:
        """The value before each action."""
        return -self.linear(hidden_MD).sigmoid()


@method(
    "awr",
    paper="arXiv:2302.08582",
    claim="likelihood weighted by reward over a learned baseline",
)
@dataclass(frozen=True)
class AWR:
    """Likelihood weighted by the exponential of the token's advantage."""

    needs: ClassVar[Needs] = Needs(fields=("reward_PGT",), value=ValueHead)

    beta: Positive = 1.0
    """Temperature of the weights; larger is nearer plain likelihood."""
    alpha: Share = 0.5
    """Weight of the likelihood in the loss; 1 - alpha is the weight of the value loss."""
    max_weight: PositiveOrInf = 1000.0
    """w_max: the largest weight of a token."""

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs token scores and values.

        Metrics: `objective/weight` the mean weight of a token, `objective/value_error` the mean (R - V)^2.
        """
        reward_PGT = batch.field("reward_PGT").detach()
        value_PGT = batch.field("value_PGT")
        likelihood = weighted_tokens(batch, (reward_PGT - value_PGT) / self.beta, self.max_weight)
        gap_PGT = (reward_PGT - value_PGT).where(steps_of(batch), 0.0)
        error = gap_PGT.square().sum() / (likelihood.weight or 1.0)
        value = self.alpha * likelihood.value + (1 - self.alpha) * error
        return Loss(value, likelihood.weight, {**likelihood.metrics, "objective/value_error": float(error.detach())})
