"""An encoder in two parts is the encoder."""

import pytest
import torch
from torch import nn
from torch.nn.functional import normalize

from steelyard.core import SteelyardError
from steelyard.guard.split_encoder import SplitEncoder
from steelyard.guard.two_towers import convolutions, layers, pooled

IMAGES = torch.rand(3, 3, 12, 15, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("body", [convolutions, pooled])
def test_the_parts_make_the_features(body) -> None:
    encoder = body((3, 12, 15))
    split = SplitEncoder.of(encoder)
    activation = split.activations(IMAGES)
    assert activation.ndim == 4 and (activation >= 0).all(), "after the last convolution and its ReLU"
    own = normalize(encoder(IMAGES - 0.5), dim=1)
    assert torch.allclose(split.directions(activation), own, atol=1e-6)
    assert torch.allclose(split.features(IMAGES), own, atol=1e-6)
    assert not split.features(IMAGES).requires_grad


def test_a_part_by_hand() -> None:
    one = nn.Conv2d(1, 1, 1, bias=False)
    nn.init.constant_(one.weight, 2.0)
    split = SplitEncoder.of(nn.Sequential(one, nn.ReLU(), nn.Flatten()))
    image = torch.tensor([[[[1.0, 0.25]]]])
    assert split.activations(image).tolist() == [[[[1.0, 0.0]]]]
    assert split.features(image).tolist() == [[1.0, 0.0]]


def test_places_are_needed() -> None:
    with pytest.raises(SteelyardError, match="the encoder has no convolution"):
        SplitEncoder.of(layers((3, 8, 8)))
