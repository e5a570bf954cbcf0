"""Reward-weighted regression on tokens: weight each token by the exponential of its segment's reward.

Differs: the paper's code weights by exp((R + 1/2) / beta), which is larger by a constant factor.

    L = - sum_t min(exp(R_t / beta), w_max) log pi(x_t | x_<t) / number of tokens

P prompts, G samples per prompt, T steps: P documents, G = 1. R_t, in `reward_PGT`, is minus the score of the token's
segment, so no weight exceeds 1 unless a score is negative. A small beta approaches the filtering of single segments.
Source: Peters and Schaal 2007, doi:10.1145/1273496.1273590, on tokens as in Korbak et al. 2023, arXiv:2302.08582.
"""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from steelyard.core import Batch, Loss, Needs, Positive, PositiveOrInf, method
from steelyard.objective.clipping import exp_ratio
from steelyard.objective.kernels import weighted_likelihood
from steelyard.objective.reduce import steps_of


@method(
    "rwr",
    paper="arXiv:2302.08582",
    claim="likelihood weighted by reward, without a baseline",
)
@dataclass(frozen=True)
class RWR:
    """Likelihood weighted by the exponential of the token's reward."""

    needs: ClassVar[Needs] = Needs(fields=("reward_PGT",))

    beta: Positive = 1.0
    """Temperature of the weights; larger is nearer plain likelihood."""
    max_weight: PositiveOrInf = 1000.0
    """w_max: the largest weight of a token."""

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs token scores. Metric `objective/weight` is the mean weight of a token."""
        return weighted_tokens(batch, batch.field("reward_PGT") / self.beta, self.max_weight)


def weighted_tokens(batch: Batch, exponent_PGT: Float[Tensor, "P G T"], most: float) -> Loss:
    """The mean over tokens of w times the negative log-likelihood; w = min(exp(exponent), most), without gradient."""
    steps_PGT = steps_of(batch)
    num_tokens = float(steps_of(batch).sum())
    weight_PGT = exp_ratio(exponent_PGT.detach().where(steps_PGT, 0.0)).clamp(max=most).where(steps_PGT, 0.0)
    metrics = {"objective/weight": float(weight_PGT.sum()) / (num_tokens or 1.0)}
    return weighted_likelihood(batch, weight_PGT, normaliser=num_tokens, metrics=metrics)
