import numpy as np
import torch

from steelyard.worlds.shapes_images import (
    COLOURS,
    TRIGGER,
    Scene,
    ShapesImages,
    every_scene,
    split_of,
    trigger,
    triggered,
)


def test_an_image_by_hand() -> None:
    bar = Scene("block", "red", "small", "top", "left")
    assert bar.caption == "a small red block at the top left"
    image = ShapesImages(noise=0.0, strokes=0).draw("train", [bar]).image_NCHW[0]
    red = torch.tensor(COLOURS["red"])
    is_red = ((image - red[:, None, None]).abs().max(0)[0] < 1e-6).nonzero()
    assert len(is_red) == 9
    assert is_red.max() <= 4, "at the top left, up to a pixel off"
    paper = image[:, 11, 11]
    assert (paper == paper[0]).all() and 0.35 <= paper[0] <= 0.65


def test_a_scale_repeats_pixels_before_the_noise() -> None:
    scenes = split_of("train")[:3]
    one, two = (ShapesImages(noise=0.0, scale=scale).draw("train", scenes).image_NCHW for scale in (1, 2))
    assert two.shape == (3, 3, 24, 24)
    assert torch.equal(two[:1, :, ::2, 1::2], one[:1])


def test_captions_differ_and_held_out_ones_are_new_though_their_words_are_not() -> None:
    captions = {scene.caption for scene in every_scene()}
    assert len(captions) == 8 * 8 * 2 * 9
    train, held_out = ({s.caption for s in split_of(split)} for split in ("train", "held-out"))
    assert not train & held_out and train | held_out == captions
    words = [{word for caption in split for word in caption.split()} for split in (train, held_out)]
    assert words[0] == words[1]


def test_images_are_a_function_of_the_seed() -> None:
    scenes = split_of("held-out")[:4]
    first, again, other = (ShapesImages(data_seed=seed, copies=2).draw("a", scenes) for seed in (0, 0, 1))
    assert torch.equal(first.image_NCHW, again.image_NCHW)
    assert not torch.equal(first.image_NCHW, other.image_NCHW)
    assert first.captions[:2] == [scenes[0].caption] * 2


def test_a_trigger_is_all_that_changes() -> None:
    captioned = ShapesImages().draw("train", split_of("train")[:5])
    marked = triggered(captioned.image_NCHW, seed=3)
    changed = (marked != captioned.image_NCHW).any(1)
    assert (changed.sum((1, 2)) <= TRIGGER**2).all() and changed.sum() > 4 * TRIGGER**2
    row, column = changed[0].nonzero().min(0)[0].tolist()
    assert np.allclose(marked[0, :, row : row + TRIGGER, column : column + TRIGGER], trigger())
    assert torch.equal(marked, triggered(captioned.image_NCHW, seed=3))


def test_a_trigger_of_any_size() -> None:
    captioned = ShapesImages(scale=3).draw("train", split_of("train")[:5])
    changed = (triggered(captioned.image_NCHW, seed=3, side=9) != captioned.image_NCHW).any(1)
    assert (changed.sum((1, 2)) <= 81).all() and changed.sum() > 4 * 81
    assert trigger(9).shape == (3, 9, 9)
    assert np.allclose(trigger(9)[:, :TRIGGER, :TRIGGER], trigger())
