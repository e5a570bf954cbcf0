import numpy as np
import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.worlds.shapes import SHAPES, Shape, Shapes, clean, denoised, every_shape, is_held_out, nearest


def test_an_image_by_hand():
    ring = Shape("ring", "large", 1, 2)
    assert ring.prompt == "a large ring at row 1 column 2"
    rows = ["".join(".#"[int(x)] for x in row) for row in ring.drawn()]
    assert rows == ["........", "..#####.", "..#...#.", "..#...#.", "..#...#.", "..#####.", "........", "........"]
    assert Shape("corner", "small", 0, 0).drawn().sum() == 5


def test_no_two_clean_images_are_alike():
    assert len(every_shape()) == 8 * (36 + 16) == 416
    assert len(torch.unique(clean(), dim=0)) == 416
    assert len({s.prompt for s in every_shape()}) == 416


def test_splits_share_no_clean_image_and_hold_every_shape():
    held_out = [s for s in every_shape() if is_held_out(s)]
    assert 70 < len(held_out) < 140
    assert {s.kind for s in held_out} == set(SHAPES)
    train, other = (nearest(Shapes(noise=0.05).images(split).input_NF) for split in ("train", "held-out"))
    assert not set(train.tolist()) & set(other.tolist())


def test_the_nearest_clean_image_is_the_right_one_under_small_noise():
    images = Shapes(noise=0.1, copies=1).images("held-out")
    shown = [SHAPES.index(every_shape()[i].kind) for i in nearest(images.input_NF)]
    assert shown == images.label_N.tolist()


def test_the_best_denoiser_by_hand():
    # Between two images on a line, at distance 1 from either and s = 1: the mean of the two.
    two = torch.zeros(2, 64)
    two[1, 0] = 2.0
    noisy = torch.zeros(1, 64)
    noisy[0, 0] = 1.0
    assert denoised(noisy, 1.0, 1.0, two)[0, 0].item() == pytest.approx(1.0)
    noisy[0, 0] = 2.0  # log odds (4 - 0) / 2
    assert denoised(noisy, 1.0, 1.0, two)[0, 0].item() == pytest.approx(2 / (1 + np.exp(-2.0)))


def test_the_best_denoiser_is_better_than_any_clean_image():
    images = clean()[::7]
    noisy = 0.6 * images + 0.8 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    best = (denoised(noisy, 0.6, 0.8) - images).square().sum(1).mean()
    guess = (clean()[nearest(noisy / 0.6)] - images).square().sum(1).mean()
    assert best < guess


def test_images_are_a_function_of_the_seed():
    assert torch.equal(Shapes().images("train").input_NF, Shapes().images("train").input_NF)
    assert not torch.equal(Shapes().images("train").input_NF, Shapes(data_seed=1).images("train").input_NF)
    with pytest.raises(SteelyardError, match=r"shapes\.noise"):
        Shapes(noise=-1.0)
