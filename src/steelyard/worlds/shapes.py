"""Images of 8 x 8 pixels: eight shapes in two sizes at every place, with a prompt that names them.

    a large ring at row 1 column 2      ........    what is drawn is 1, all else is 0; noise is added to every pixel
                                        ..#####.
                                        ..#...#.
                                        ..#...#.
                                        ..#...#.
                                        ..#####.

Shapes are block, ring, plus, cross, bar, pole, slash and corner; small ones have 3 x 3 pixels and 36 places, large ones
5 x 5 and 16: 416 clean images, no two alike. A hash of the prompt decides which are held out.

    p(x) = 1/K sum_k N(x; c_k, noise^2 I)                      K clean images c_k, K = 416
    E[x0 | x_t] = sum_k w_k c_k,    w = softmax(-|x_t - a c_k|^2 / 2 s^2)      for x_t = a x0 + s eps and no noise

Known exactly: the density, the best classifier (the nearest clean image's shape), and for each level of noise the best
denoiser and its error: what a vision or diffusion model is worth can be said against the truth. `shifted` is the same
with ink and paper exchanged in a random half of the pixels' rows, which no training image has.
For cards of vision, diffusion, captions, backdoors and unlearning of classes.
Source: none, this world is ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from steelyard.core import NonNegative, checked, hash_share, rng
from steelyard.worlds.labelled_world import Examples, LabelledWorld

SIDE = 8
SIZES = {"small": 3, "large": 5}
SHAPES = ("block", "ring", "plus", "cross", "bar", "pole", "slash", "corner")
HELD_OUT_SHARE = 0.25


@dataclass(frozen=True)
class Shape:
    """What a clean image shows."""

    kind: str
    size: str
    row: int
    column: int

    @property
    def prompt(self) -> str:
        """The image in words."""
        return f"a {self.size} {self.kind} at row {self.row} column {self.column}"

    def drawn(self) -> Float32[np.ndarray, "8 8"]:
        """The clean image: 1 where something is drawn."""
        n = SIZES[self.size]
        image = np.zeros((SIDE, SIDE), np.float32)
        image[self.row : self.row + n, self.column : self.column + n] = stencil(self.kind, n)
        return image


def stencil(kind: str, n: int) -> Float32[np.ndarray, "n n"]:
    """A shape by itself."""
    place = np.arange(n)
    row, column = place[:, None], place[None, :]
    middle, edge = n // 2, n - 1
    inside: Mapping[str, np.ndarray] = {
        "block": (row >= 0) & (column >= 0),
        "ring": (row == 0) | (row == edge) | (column == 0) | (column == edge),
        "plus": (row == middle) | (column == middle),
        "cross": (row == column) | (row + column == edge),
        "bar": (row == middle) & (column >= 0),
        "pole": (column == middle) & (row >= 0),
        "slash": row + column == edge,
        "corner": (row == edge) | (column == 0),
    }
    return inside[kind].astype(np.float32)


@checked("shapes")
@dataclass(frozen=True)
class Shapes:
    """Noisy images of shapes, with their shape as the label and their size as the group."""

    noise: NonNegative = 0.25
    """Standard deviation of what is added to a pixel; ink is 1 and paper 0."""
    copies: int = 8
    """Images drawn of each clean one."""
    data_seed: int = 0
    """Of the noise."""

    def images(self, split: str) -> Examples:
        """Images of a split, 64 pixels each: `train`, `held-out`, or `shifted`, the held-out ones under a shift."""
        draws = rng(self.data_seed, "shapes", split)
        shapes = [s for s in every_shape() if is_held_out(s) == (split != "train")] * self.copies
        pixel_NX = np.stack([s.drawn() for s in shapes])
        if split == "shifted":
            exchanged_NR = draws.random((len(shapes), SIDE, 1)) < 0.5
            pixel_NX = np.where(exchanged_NR, 1 - pixel_NX, pixel_NX)
        pixel_NX = pixel_NX.reshape(len(shapes), -1) + self.noise * draws.normal(size=(len(shapes), SIDE * SIDE))
        return Examples(
            torch.from_numpy(pixel_NX.astype(np.float32)),
            torch.tensor([SHAPES.index(s.kind) for s in shapes]),
            torch.tensor([[*SIZES].index(s.size) for s in shapes]),
        )


@cache
def every_shape() -> tuple[Shape, ...]:
    """All clean images."""
    return tuple(
        Shape(kind, size, row, column)
        for kind in SHAPES
        for size, n in SIZES.items()
        for row in range(SIDE - n + 1)
        for column in range(SIDE - n + 1)
    )


@cache
def clean() -> Float32[Tensor, "K 64"]:
    """The pixels of all clean images."""
    return torch.from_numpy(np.stack([s.drawn().reshape(-1) for s in every_shape()]))


def is_held_out(shape: Shape) -> bool:
    """Whether a hash of its prompt puts a clean image into the held-out split."""
    return hash_share(shape.prompt) < HELD_OUT_SHARE


def nearest(image_NX: Float32[Tensor, "N 64"]) -> Int64[Tensor, "N"]:
    """The place in `every_shape` of the nearest clean image: the most likely one under any noise of equal pixels."""
    return torch.cdist(image_NX, clean()).argmin(1)


def denoised(
    noisy_NX: Float32[Tensor, "N 64"],
    scale: float,
    spread: float,
    images_KX: Float32[Tensor, "K 64"] | None = None,
) -> Float32[Tensor, "N 64"]:
    """The best denoiser: E[x0 | x_t] for x_t = scale x0 + spread eps, x0 any of the images (all clean ones) alike."""
    images_KX = clean() if images_KX is None else images_KX
    distance_NK = torch.cdist(noisy_NX, scale * images_KX).square()
    return (-distance_NK / (2 * spread**2)).softmax(1) @ images_KX


def splits(seed: int) -> Mapping[str, Examples]:
    """What a classifier is measured on."""
    world = Shapes(data_seed=seed)
    return {split: world.images(split) for split in ("train", "held-out", "shifted")}


WORLD = LabelledWorld(splits)
