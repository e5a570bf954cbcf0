"""An image encoder in two parts, at its last layer that still has places: what Grad-CAM asks of it.

    f(x) = head(A(x - 1/2)),    A after the last convolution and its ReLU

N images of C channels, H x W pixels; A has D units at R x S places, E units of the features.
Source: none, this is the form of the encoders in `two_towers`.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from steelyard.core import require

_READ = 512
"""Images that are read at a time."""


@dataclass(frozen=True)
class SplitEncoder:
    """The two parts of one encoder, with the same weights."""

    trunk: nn.Module
    """Images to A."""
    head: nn.Module
    """A to features."""

    @staticmethod
    def of(encoder: nn.Module) -> "SplitEncoder":
        """The parts of a sequence of layers.

        Raises:
            SteelyardError: no layer of it is a convolution.
        """
        layers = [*encoder.children()]
        last = max((i for i, layer in enumerate(layers) if isinstance(layer, nn.Conv2d)), default=-1)
        require(last >= 0, "the encoder has no convolution", where="patchsearch", hint="give one with convolutions")
        return SplitEncoder(nn.Sequential(*layers[: last + 2]), nn.Sequential(*layers[last + 2 :]))

    def activations(self, image_NCHW: Float[Tensor, "N C H W"]) -> Float[Tensor, "N D R S"]:
        """A of each image."""
        return self.trunk(image_NCHW - 0.5)

    def directions(self, activation_NDRS: Float[Tensor, "N D R S"]) -> Float[Tensor, "N E"]:
        """Features of length 1."""
        return normalize(self.head(activation_NDRS), dim=1)

    @torch.no_grad()
    def features(self, image_NCHW: Float[Tensor, "N C H W"]) -> Float[Tensor, "N E"]:
        """Features of images, of length 1, without a gradient."""
        return torch.cat([self.directions(self.activations(part)) for part in image_NCHW.split(_READ)])
