"""Two towers, of images and of captions, trained to agree: a small CLIP, for defences and attacks on image data.

    s_ij = exp(tau) cos(f(x_i), g(t_j)),    L = 1/2 mean_i (CE(s_i., i) + CE(s_.i, i))

f are three convolutions, with places of their own (`convolutions`) or without (`pooled`), or dense `layers`, or what is
given in their place; g reads a caption as a bag of words. tau is learned, and its exponential is at most 100. Rows of a
batch with equal captions count as each other's negatives, as they do in CLIP.
N images of C channels, H x W pixels; V words, E units of an embedding.
Source: Radford et al. 2021, arXiv:2103.00020.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from steelyard.core import derive, rng
from steelyard.learner.fitting import Fitting

EMBEDDING = 64
"""E."""
HOTTEST = 100.0
"""Largest scale of the similarities."""
_READ = 512
"""Images that are read at a time."""

Body = Callable[[tuple[int, ...]], nn.Module]
"""`body(shape)`: what makes embeddings of images of this shape."""


def convolutions(shape: tuple[int, ...], width: int = 16, units: int = EMBEDDING) -> nn.Module:
    """Three convolutions, two of which halve the sides, and a linear layer over all places."""
    channels, height, columns = shape
    places = -(-height // 4) * -(-columns // 4)
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(2 * width, 2 * width, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(2 * width * places, units),
    )


def pooled(shape: tuple[int, ...], width: int = 16, units: int = EMBEDDING) -> nn.Module:
    """Three convolutions on about 12 x 12 places, the highest activation of each channel, and a linear layer.

    What it tells does not depend on where it lies, so that a small patch can outweigh the rest of an image.
    """
    stride = max(1, round(min(shape[1:]) / 12))
    return nn.Sequential(
        nn.Conv2d(shape[0], width, max(3, stride), stride=stride, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(2 * width, 4 * width, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(4 * width, units),
    )


def layers(shape: tuple[int, ...], width: int = 128, units: int = EMBEDDING) -> nn.Module:
    """Dense layers over all pixels: an architecture that shares nothing with convolutions."""
    size = shape[0] * shape[1] * shape[2]
    return nn.Sequential(
        nn.Flatten(), nn.Linear(size, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, units)
    )


def bags(texts: Sequence[str], words: Sequence[str]) -> Float[Tensor, "N V"]:
    """1 for each known word that occurs in a text, else 0."""
    places = {word: i for i, word in enumerate(words)}
    bag_NV = torch.zeros(len(texts), len(words))
    for row, text in enumerate(texts):
        bag_NV[row, [places[word] for word in text.split() if word in places]] = 1.0
    return bag_NV


class TwoTowers(nn.Module):
    """A tower for images, and one for captions.

    Args:
        shape: of an image.
        words: V.
        body: makes the images' tower.
        seed: of the first weights.
    """

    def __init__(self, shape: tuple[int, ...], words: int, *, body: Body = convolutions, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(seed, "two towers"))
            self.images = body(shape)
            self.texts = nn.Sequential(nn.Linear(words, EMBEDDING), nn.ReLU(), nn.Linear(EMBEDDING, EMBEDDING))
        self.tau = nn.Parameter(torch.tensor(2.3))

    def similarity(self, image_NCHW: Float[Tensor, "N C H W"], bag_MV: Float[Tensor, "M V"]) -> Float[Tensor, "N M"]:
        """s: how much each image agrees with each caption."""
        f_NE = normalize(self.images(image_NCHW - 0.5), dim=1)
        g_ME = normalize(self.texts(bag_MV), dim=1)
        return f_NE @ g_ME.T * self.tau.exp().clamp(max=HOTTEST)

    def loss(self, image_NCHW: Float[Tensor, "N C H W"], bag_NV: Float[Tensor, "N V"]) -> Float[Tensor, ""]:
        """L of a batch of pairs."""
        s_NN = self.similarity(image_NCHW, bag_NV)
        own_N = torch.arange(len(s_NN))
        return (cross_entropy(s_NN, own_N) + cross_entropy(s_NN.T, own_N)) / 2

    def begin(
        self,
        image_NCHW: Float[Tensor, "N C H W"],
        bag_NV: Float[Tensor, "N V"],
        *,
        steps: int,
        rate: float,
        batch: int,
        seed: int,
    ) -> Fitting:
        """The training on pairs, before its first step."""
        draws = rng(seed, "two towers", "batches")

        def loss() -> Tensor:
            of = torch.from_numpy(draws.integers(len(image_NCHW), size=batch))
            return self.loss(image_NCHW[of], bag_NV[of])

        return Fitting(self, torch.optim.Adam(self.parameters(), lr=rate), loss, draws, steps)


@torch.no_grad()
def found(towers: TwoTowers, image_NCHW: Float[Tensor, "N C H W"], bag_NV: Float[Tensor, "N V"]) -> int:
    """Of the 2 N questions which caption is an image's, and which image a caption's, how many are answered rightly.

    All captions should differ.
    """
    s_NN = torch.cat([towers.similarity(part, bag_NV) for part in image_NCHW.split(_READ)])
    own_N = torch.arange(len(s_NN))
    return int((s_NN.argmax(1) == own_N).sum() + (s_NN.argmax(0) == own_N).sum())
