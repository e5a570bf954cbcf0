"""A small network that predicts the noise in a row of numbers.

    eps(x_t, t, c) = W (h + gelu(V norm(h)) + ...),    h = A x_t + time(t) + class(c)

N rows, X numbers, C classes; class C is "any": a label that was dropped, for guidance without a classifier. The last
layer begins at zero, so that an untrained network predicts no noise.
"""

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn


class MLPDenoiser(nn.Module):
    """Residual layers over a row.

    Args:
        size: X.
        classes: C.
        steps: T of the schedule.
        width: units of a layer.
        layers: residual layers.
    """

    def __init__(self, size: int, classes: int, steps: int, *, width: int = 128, layers: int = 3) -> None:
        super().__init__()
        self.any = classes
        self.inward = nn.Linear(size, width)
        self.classes = nn.Embedding(classes + 1, width)
        self.times = nn.Linear(width, width)
        self.body = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
            for _ in range(layers)
        )
        self.outward = nn.Linear(width, size)
        nn.init.zeros_(self.outward.weight)
        nn.init.zeros_(self.outward.bias)
        rate_W = torch.exp(-math.log(1000.0) * torch.arange(width // 2) / (width // 2))
        angle_TW = torch.arange(1, steps + 1)[:, None] * rate_W
        self.wave_TW: Tensor
        self.register_buffer("wave_TW", torch.cat([angle_TW.sin(), angle_TW.cos()], 1))

    def forward(
        self, noisy_NX: Float[Tensor, "N X"], place_N: Int64[Tensor, "N"], label_N: Int64[Tensor, "N"]
    ) -> Float[Tensor, "N X"]:
        """The predicted noise."""
        return self.told(noisy_NX, place_N, self.classes(label_N))

    def told(
        self, noisy_NX: Float[Tensor, "N X"], place_N: Int64[Tensor, "N"], wanted_NW: Float[Tensor, "N W"]
    ) -> Float[Tensor, "N X"]:
        """The predicted noise, where what is wanted is told by W numbers in place of a class."""
        hidden_NW = self.inward(noisy_NX) + self.times(self.wave_TW[place_N]) + wanted_NW
        for layer in self.body:
            hidden_NW = hidden_NW + layer(hidden_NW)
        return self.outward(hidden_NW)
