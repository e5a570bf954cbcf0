"""Patches of images: the window that made an image's features what they are, and pasting it elsewhere.

    heat(x) = relu(sum_d g_d A_d(x)),    g_d = mean over places of d score(x) / d A_d        Grad-CAM
    window(x) = the w x w pixels of x whose summed heat is highest

N images of C channels, H x W pixels; D units of the activations A; M patches.
Source: Selvaraju et al. 2016, arXiv:1610.02391.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate


def heat(
    activation_NDRS: Float[Tensor, "N D R S"], score: Callable[[Tensor], Float[Tensor, "N"]]
) -> Float[Tensor, "N R S"]:
    """How much each place speaks for the score.

    Args:
        activation_NDRS: of a layer.
        score: activations to a number for each image, which depends on that image alone.
    """
    own = activation_NDRS.detach().requires_grad_()
    (slope_NDRS,) = torch.autograd.grad(score(own).sum(), own)
    weight_ND = slope_NDRS.mean((2, 3))
    return torch.relu(torch.einsum("ndrs,nd->nrs", activation_NDRS.detach(), weight_ND))


def windows(
    image_NCHW: Float[Tensor, "N C H W"], heat_NRS: Float[Tensor, "N R S"], side: int
) -> Float[Tensor, "N C w w"]:
    """The hottest square of each image; of equally hot ones the first."""
    rows, columns = image_NCHW.shape[2:]
    heat_N1HW = interpolate(heat_NRS[:, None], size=(rows, columns), mode="bilinear", align_corners=False)
    sums_NP = avg_pool2d(heat_N1HW, side, stride=1).flatten(1)
    at_N = sums_NP.argmax(1)
    across = columns - side + 1
    place_N2 = torch.stack([at_N // across, at_N % across], 1)
    return cut(image_NCHW, place_N2, side)


def cut(image_NCHW: Float[Tensor, "N C H W"], place_N2: Int64[Tensor, "N 2"], side: int) -> Float[Tensor, "N C w w"]:
    """The square of each image whose first row and column are given."""
    squares = [
        image[:, row : row + side, column : column + side]
        for image, (row, column) in zip(image_NCHW, place_N2.tolist(), strict=True)
    ]
    return torch.stack(squares)


def pasted(
    image_NCHW: Float[Tensor, "N C H W"], patch_CWW: Float[Tensor, "C w w"], draws: torch.Generator
) -> Float[Tensor, "N C H W"]:
    """All images with one patch, each at a place that is drawn."""
    size, _, rows, columns = image_NCHW.shape
    side = patch_CWW.shape[-1]
    row_N = torch.randint(rows - side + 1, (size,), generator=draws)[:, None] + torch.arange(side)
    column_N = torch.randint(columns - side + 1, (size,), generator=draws)[:, None] + torch.arange(side)
    result = image_NCHW.clone()
    image_N11 = torch.arange(size)[:, None, None]
    result.permute(0, 2, 3, 1)[image_N11, row_N[:, :, None], column_N[:, None, :]] = patch_CWW.permute(1, 2, 0)
    return result


def pasted_any(
    image_NCHW: Float[Tensor, "N C H W"],
    patch_MCWW: Float[Tensor, "M C w w"],
    sides: tuple[int, int],
    draws: torch.Generator,
) -> Float[Tensor, "N C H W"]:
    """Each image with one of several patches, scaled to a side that is drawn, at a place that is drawn.

    Args:
        image_NCHW: the images.
        patch_MCWW: the patches.
        sides: smallest and largest side.
        draws: of patch, side and place.
    """
    limit = min(sides[1], *image_NCHW.shape[2:])
    which_N = torch.randint(len(patch_MCWW), (len(image_NCHW),), generator=draws).tolist()
    side_N = torch.randint(min(sides[0], limit), limit + 1, (len(image_NCHW),), generator=draws).tolist()
    made = []
    for image, which, side in zip(image_NCHW, which_N, side_N, strict=True):
        scaled = interpolate(patch_MCWW[which][None], size=(side, side), mode="bilinear", align_corners=False)[0]
        made.append(pasted(image[None], scaled, draws)[0])
    return torch.stack(made)
