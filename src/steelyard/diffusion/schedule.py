"""How noise is added: the cosine schedule.

    x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps,     eps ~ N(0, I),    t = 1 ... T
    abar_t = f(t) / f(0),    f(t) = cos((t/T + s) / (1 + s) pi/2)^2,     beta_t = min(1 - abar_t / abar_{t-1}, 0.99)

T denoising steps. Every abar_t is the product of 1 - beta_i up to t, so that steps and marginals agree.
Source: Nichol and Dhariwal 2021, arXiv:2102.09672. Differs: beta is cut at 0.99, for the paper's 0.999.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Annotated

import torch
import tyro
from jaxtyping import Float
from msgspec import Meta
from torch import Tensor

from steelyard.core import NonNegative, checked

LARGEST = 0.99


@checked("noise-schedule")
@dataclass(frozen=True)
class NoiseSchedule:
    """The cosine schedule."""

    steps: Annotated[int, Meta(ge=1, le=1000), tyro.conf.arg(name="schedule.steps")] = 16
    """T, denoising steps."""
    offset: Annotated[NonNegative, tyro.conf.arg(name="schedule.offset")] = 0.008
    """s: keeps the first step from being too small."""

    @cached_property
    def beta_T(self) -> Float[Tensor, "T"]:
        """beta_t; place 0 is t = 1."""
        bars = [self._bar(t) for t in range(self.steps + 1)]
        return torch.tensor([min(1 - b / a, LARGEST) for a, b in pairwise(bars)])

    @cached_property
    def bar_T(self) -> Float[Tensor, "T"]:
        """abar_t; place 0 is t = 1."""
        return (1 - self.beta_T).cumprod(0)

    def _bar(self, t: int) -> float:
        return math.cos((t / self.steps + self.offset) / (1 + self.offset) * math.pi / 2) ** 2

    def noised(
        self, data_NX: Float[Tensor, "N X"], place_N: Tensor, noise_NX: Float[Tensor, "N X"]
    ) -> Float[Tensor, "N X"]:
        """x_t for each row at its own place in the schedule."""
        bar_N1 = self.bar_T[place_N][:, None]
        return bar_N1.sqrt() * data_NX + (1 - bar_N1).sqrt() * noise_NX
