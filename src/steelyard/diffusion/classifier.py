"""A diffusion model as a classifier: a row is of the class for which its noise is predicted best.

    c(x) = argmin_c sum_t |e - eps(sqrt(abar_t) x + sqrt(1 - abar_t) e, t, c)|^2

N rows, X numbers, C classes; t runs over a few places of the schedule, and e is the same for all classes of a row.
Source: Li et al. 2023, arXiv:2303.16203. Differs: a few places in place of draws, all classes to the end.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from steelyard.core import derive
from steelyard.diffusion.generation import Diffusion

PLACES = 4
"""How many, evenly spaced over the first three quarters of the schedule: later ones hold nothing but noise."""


def seen(model: Diffusion, data_NX: Float[Tensor, "N X"], classes: int, *, seed: int) -> Int64[Tensor, "N"]:
    """The class that the model sees in each row; equal seeds see alike."""
    draws = torch.Generator().manual_seed(derive(seed, "seen"))
    lost_NC = torch.zeros(len(data_NX), classes)
    for i in range(PLACES):
        place_N = torch.full((len(data_NX),), int((i + 0.5) / PLACES * 0.75 * model.schedule.steps))
        noise_NX = torch.randn(data_NX.shape, generator=draws)
        noisy_NX = model.schedule.noised(data_NX, place_N, noise_NX)
        with torch.no_grad():
            for c in range(classes):
                found_NX = model.predictor(noisy_NX, place_N, torch.full_like(place_N, c))
                lost_NC[:, c] += (noise_NX - found_NX).square().mean(1)
    return lost_NC.argmin(1)
