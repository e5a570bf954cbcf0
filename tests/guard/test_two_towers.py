import math

import pytest
import torch
from torch import nn

from steelyard.guard.two_towers import TwoTowers, bags, convolutions, found, layers, pooled


def hand(scale: float) -> TwoTowers:
    """Towers whose embeddings are the first two pixels, and the two words."""

    class First(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return image.flatten(1)[:, :2] + 0.5

    towers = TwoTowers((1, 8, 8), 2, seed=0)
    towers.images, towers.texts = First(), nn.Sequential(nn.Identity())
    nn.init.constant_(towers.tau, math.log(scale))
    return towers


def test_the_loss_by_hand() -> None:
    image = torch.zeros(2, 1, 8, 8)
    image[0, 0, 0, 0] = image[1, 0, 0, 1] = 1.0
    bag = bags(["up", "down"], ["up", "down"])
    # Similarities are 2 on the diagonal and 0 beside it.
    assert hand(2.0).loss(image, bag).item() == pytest.approx(math.log(1 + math.exp(-2)))
    assert found(hand(2.0), image, bag) == 4
    assert found(hand(2.0), image.flip(0), bag) == 0


def test_the_scale_has_a_limit() -> None:
    image = torch.zeros(1, 1, 8, 8)
    image[0, 0, 0, 0] = 1.0
    assert hand(1e6).similarity(image, torch.eye(2)).max().item() == pytest.approx(100.0)


def test_bags_ignore_unknown_words_and_order() -> None:
    assert bags(["b a a", "c", ""], ["a", "b"]).tolist() == [[1, 1], [0, 0], [0, 0]]


def test_what_is_pooled_does_not_depend_on_its_place() -> None:
    body = pooled((1, 36, 36))
    image = torch.zeros(2, 1, 36, 36)
    image[0, 0, 12:18, 12:18] = image[1, 0, 15:21, 15:21] = 1.0
    first, second = body(image)
    assert torch.allclose(first, second, atol=1e-6), "a square that lies off by whole strides"
    image[1, 0, 15:21, 15:18] = 0.0
    assert not torch.allclose(*body(image), atol=1e-3)


@pytest.mark.parametrize("sides", [(8, 8), (9, 14), (64, 50)])
def test_pooled_reads_images_of_all_sizes(sides: tuple[int, int]) -> None:
    assert pooled((3, *sides))(torch.zeros(2, 3, *sides)).shape == (2, 64)


@pytest.mark.parametrize("body", [convolutions, layers])
def test_pairs_are_learned(body) -> None:
    draws = torch.Generator().manual_seed(0)
    image = torch.rand(16, 3, 9, 11, generator=draws)
    bag = torch.eye(16)
    towers = TwoTowers((3, 9, 11), 16, body=body, seed=0)
    towers.begin(image, bag, steps=60, rate=5e-3, batch=16, seed=0).run()
    assert found(towers, image, bag) > 24
