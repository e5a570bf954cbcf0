"""A Bayesian linear layer: a normal distribution over each weight.

    w = mu + sigma eps,    eps ~ N(0, 1)
    KL(q || prior) = log(s / sigma) + (sigma^2 + mu^2) / (2 s^2) - 1/2    for a prior N(0, s^2)

N inputs of D features, E outputs each. Source: Blundell et al. 2015, arXiv:1505.05424.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class BayesianLinear(nn.Module):
    """A linear layer whose weights and biases are independent normals, sampled at each call."""

    def __init__(self, inputs: int, outputs: int, prior_sigma: float, draws: torch.Generator) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        start = (torch.rand(outputs, inputs + 1, generator=draws) * 2 - 1) * bound
        self.mean = nn.Parameter(start)
        self.log_sigma = nn.Parameter(torch.full_like(start, math.log(prior_sigma)))
        self._prior_sigma = prior_sigma

    def forward(self, x_ND: Float[Tensor, "N D"], draws: torch.Generator) -> Float[Tensor, "N E"]:
        """Apply the layer with weights sampled from `draws`."""
        noise = torch.randn(self.mean.shape, generator=draws)
        weight = self.mean + self.log_sigma.exp() * noise
        return functional.linear(x_ND, weight[:, :-1], weight[:, -1])

    def kl(self) -> Float[Tensor, "E D"]:
        """KL divergence of each weight's distribution from the prior (nats)."""
        variance = self._prior_sigma**2
        spread = (2 * self.log_sigma).exp() + self.mean.square()
        return math.log(self._prior_sigma) - self.log_sigma + spread / (2 * variance) - 0.5
