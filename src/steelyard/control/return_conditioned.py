"""Return-conditioned behaviour cloning: a policy told the return to come, which Dichotomy of Control is compared with.

    z = the rank of R_t among K equal shares of the data's returns to come,    L = -log pi(a_t|s_t, z) + ...

The rest of L is that of `control.offline_learner`. Acts by the highest return among 100 draws of p(z|s), in place of a
target that one sets and lowers by what was earned: a controller here has no memory of an episode.
Source: Emmons et al. 2021, arXiv:2112.10751; Decision Transformer: Chen et al. 2021, arXiv:2106.01345; drawing the
return: Lee et al. 2022, arXiv:2205.15241. Differs: no transformer, the past is the observation.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from steelyard.control.offline import Offline, Sizes
from steelyard.control.offline_learner import OfflineLearner, Reading
from steelyard.core import PositiveInt, method


@method("return-conditioned", paper="arXiv:2112.10751")
@dataclass(frozen=True)
class ReturnConditioned(OfflineLearner):
    """Condition on the return to come."""

    num_latents: PositiveInt = 16
    """Ranges of returns that are told apart."""

    @property
    def latents(self) -> int:
        """K."""
        return self.num_latents

    def reading(self, sizes: Sizes) -> "Rank":
        """The rank of a return."""
        return Rank(self.num_latents)


class Rank(Reading):
    """A return's rank among K.

    Args:
        latents: K.
    """

    bound_R: Float[Tensor, "R"]

    def __init__(self, latents: int) -> None:
        super().__init__()
        self.latents = latents
        self.register_buffer("bound_R", torch.zeros(latents - 1))

    def fit(self, data: Offline) -> None:
        """Bounds that part the data's returns into K equal shares; where many are equal some ranks stay empty."""
        shares_R = torch.arange(1, self.latents) / self.latents
        order_N = data.return_N.sort().values
        self.bound_R = order_N[(shares_R * len(order_N)).long()]

    def forward(
        self, data: Offline, t_B: Int64[Tensor, "B"], draws: np.random.Generator
    ) -> tuple[Float[Tensor, "B K"], Tensor]:
        """All of q(z|t) on one rank."""
        rank_B = torch.bucketize(data.return_N[t_B], self.bound_R, right=True)
        return torch.nn.functional.one_hot(rank_B, self.latents).float(), torch.zeros(())
