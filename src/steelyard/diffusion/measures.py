"""What a diffusion model is measured by, on images that it was not trained on.

    loss     mean over all places of the schedule, and all images, of |eps - eps_theta(x_t, t, c)|^2 / X
    frechet  |m - m'|^2 + tr S + tr S' - 2 tr (S S')^(1/2)

m, S are mean and covariance of generated images, m', S' those of held-out ones, N of each; with A the centred rows over
sqrt(N - 1), the last trace is the nuclear norm of A A'^T. It falls with N, so it is shown beside that of as many
training images, which no model need pass.
Source: Dowson and Landau 1982, doi:10.1016/0047-259X(82)90077-X; on raw numbers, where FID takes a network's features.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from steelyard.core import derive
from steelyard.diffusion.generation import Diffusion
from steelyard.diffusion.one_step import OneStep


def held_out_loss(
    model: Diffusion | OneStep, data_NX: Float[Tensor, "N X"], label_N: Int64[Tensor, "N"], *, seed: int
) -> float:
    """The mean squared error of the predicted noise; 1 where nothing is predicted."""
    draws = torch.Generator().manual_seed(derive(seed, "held-out loss"))
    lost: list[Tensor] = []
    with torch.no_grad():
        for place in model.places:
            place_N = torch.full_like(label_N, place)
            noise_NX = torch.randn(data_NX.shape, generator=draws)
            found_NX = model.predictor(model.schedule.noised(data_NX, place_N, noise_NX), place_N, label_N)
            lost.append((noise_NX - found_NX).square().mean())
    return float(torch.stack(lost).mean())


def frechet(one_NX: Float[Tensor, "N X"], other_MX: Float[Tensor, "M X"]) -> float:
    """The distance between two sets of at least two rows; 0 where mean and covariance agree."""
    means = [rows.double().mean(0) for rows in (one_NX, other_MX)]
    centred = [(r.double() - m) / (len(r) - 1) ** 0.5 for r, m in zip((one_NX, other_MX), means, strict=True)]
    traces = sum(part.square().sum() for part in centred)
    shared = torch.linalg.matrix_norm(centred[0] @ centred[1].T, ord="nuc")
    return float((means[0] - means[1]).square().sum() + traces - 2 * shared)
