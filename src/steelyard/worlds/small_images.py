"""Images of 6 x 6 pixels with captions: the shapes of `shapes`, pale or dark, in one of four corners.

    dark ring upper left      #####.        dark ink is 1 and pale ink .5, paper 0; noise is added to every pixel
                              #...#.
                              #...#.
                              #...#.
                              #####.
                              ......

Eight kinds, two tones and four corners make 64 clean images. A caption always names the kind; tone, row and column are
each left out of it with a chance of a half. There are 216 captions: classes by their words, in the order of `CAPTIONS`.
What an image shows is known exactly: it is the nearest clean image, the most likely one under noise of equal pixels.
Models see pixels scaled to mean 0 and spread 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from steelyard.core import NonNegative, checked, derive
from steelyard.worlds.shapes import SHAPES, stencil

SIDE = 6
TONES = {"pale": 0.5, "dark": 1.0}
ROWS = ("upper", "lower")
COLUMNS = ("left", "right")
CLEAN = tuple(product(SHAPES, TONES, ROWS, COLUMNS))
"""What each clean image shows."""
CAPTIONS = tuple(
    " ".join(word for word in (tone, kind, row, column) if word)
    for kind, tone, row, column in product(SHAPES, ("", *TONES), ("", *ROWS), ("", *COLUMNS))
)
"""What is said of images."""
MEAN, SPREAD = 0.27, 0.42
"""Of the pixels, about: what they are scaled by."""


def drawn(kind: str, tone: str, row: str, column: str) -> Float32[np.ndarray, "6 6"]:
    """A clean image."""
    image = np.zeros((SIDE, SIDE), np.float32)
    down, right = ROWS.index(row), COLUMNS.index(column)
    image[down : down + 5, right : right + 5] = TONES[tone] * stencil(kind, 5)
    return image


CLEAN_KX: Float32[Tensor, "K 36"] = torch.from_numpy(np.stack([drawn(*what).reshape(-1) for what in CLEAN]))
KIND_K: Int64[Tensor, "K"] = torch.tensor([SHAPES.index(kind) for kind, *_ in CLEAN])


@dataclass(frozen=True)
class Pictures:
    """N scaled images with what they show."""

    data_NX: Float32[Tensor, "N 36"]
    kind_N: Int64[Tensor, "N"]
    """Number of the shape."""
    caption_N: Int64[Tensor, "N"]
    """Number of what is said of it."""

    def where(self, wanted_N: Bool[Tensor, "N"]) -> "Pictures":
        """Some of them."""
        return Pictures(self.data_NX[wanted_N], self.kind_N[wanted_N], self.caption_N[wanted_N])


@checked("small-images")
@dataclass(frozen=True)
class SmallImages:
    """Noisy images with captions."""

    noise: NonNegative = 0.1
    """Standard deviation of what is added to a pixel."""
    data_seed: int = 0
    """Of what is drawn."""

    def draw(self, number: int, *part: str) -> Pictures:
        """So many images, all clean ones alike; another name of a part gives others."""
        draws = torch.Generator().manual_seed(derive(self.data_seed, "small images", *part))
        clean_N = torch.randint(len(CLEAN), (number,), generator=draws)
        pixel_NX = CLEAN_KX[clean_N] + self.noise * torch.randn(number, SIDE * SIDE, generator=draws)
        said_N3 = torch.rand(number, 3, generator=draws) < 0.5
        return Pictures((pixel_NX - MEAN) / SPREAD, KIND_K[clean_N], _captions(clean_N, said_N3))


def _captions(clean_N: Tensor, said_N3: Tensor) -> Int64[Tensor, "N"]:
    """The number of what is said: in each of three places nothing, or one of two words."""
    kind_N, within_N = clean_N // 8, clean_N % 8
    digit_N3 = torch.stack([within_N // 4, within_N // 2 % 2, within_N % 2], 1) + 1
    digit_N3 = digit_N3 * said_N3
    return kind_N * 27 + digit_N3 @ torch.tensor([9, 3, 1])


def captions_of(kind: str) -> tuple[int, ...]:
    """The numbers of all captions that name a kind, in one order for all kinds."""
    first = SHAPES.index(kind) * 27
    return tuple(range(first, first + 27))


def kind_shown(data_NX: Float32[Tensor, "N 36"]) -> Int64[Tensor, "N"]:
    """The kind of the nearest clean image."""
    return KIND_K[torch.cdist(data_NX * SPREAD + MEAN, CLEAN_KX).argmin(1)]


def share_of(data_NX: Float32[Tensor, "N 36"], kinds: Sequence[int]) -> tuple[int, int]:
    """How many images show one of the kinds, and of how many."""
    shown_N = kind_shown(data_NX)
    return int(torch.isin(shown_N, torch.tensor(kinds)).sum()), len(shown_N)


def clipped(data_NX: Float32[Tensor, "N 36"]) -> Float32[Tensor, "N 36"]:
    """The images as a file would hold them: no pixel darker than ink or lighter than paper, but for three noises."""
    return data_NX.clamp((-0.3 - MEAN) / SPREAD, (1.3 - MEAN) / SPREAD)
