import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.worlds.shapes import SHAPES
from steelyard.worlds.small_images import (
    CAPTIONS,
    CLEAN,
    CLEAN_KX,
    MEAN,
    SPREAD,
    SmallImages,
    captions_of,
    clipped,
    drawn,
    kind_shown,
    share_of,
)


def test_an_image_by_hand():
    rows = ["".join(".o#"[int(2 * x)] for x in row) for row in drawn("ring", "dark", "upper", "right")]
    assert rows == [".#####", ".#...#", ".#...#", ".#...#", ".#####", "......"]
    assert drawn("bar", "pale", "lower", "left").sum() == 2.5


def test_no_two_clean_images_or_captions_are_alike():
    assert len(torch.unique(CLEAN_KX, dim=0)) == len(CLEAN) == 64
    assert len(set(CAPTIONS)) == 216
    assert [CAPTIONS[c] for c in captions_of("ring")[:2]] == ["ring", "ring left"]
    assert all("ring" in CAPTIONS[c].split() for c in captions_of("ring"))


def test_a_caption_says_what_is_there():
    images = SmallImages(noise=0.0).draw(300, "train")
    for row, caption in zip(images.data_NX, images.caption_N.tolist(), strict=True):
        shown = CLEAN[int(torch.cdist(row[None] * SPREAD + MEAN, CLEAN_KX).argmin())]
        assert set(CAPTIONS[caption].split()) <= set(shown)
        assert shown[0] in CAPTIONS[caption].split()


def test_the_nearest_clean_image_tells_the_kind():
    images = SmallImages().draw(500, "held-out")
    assert torch.equal(kind_shown(images.data_NX), images.kind_N)
    rings = images.where(images.kind_N == SHAPES.index("ring"))
    assert share_of(rings.data_NX, [SHAPES.index("ring")]) == (len(rings.kind_N), len(rings.kind_N))


def test_draws_follow_from_seed_and_part():
    one, two = (SmallImages(data_seed=1).draw(4, "train").data_NX for _ in range(2))
    assert torch.equal(one, two)
    assert not torch.equal(one, SmallImages(data_seed=1).draw(4, "held-out").data_NX)
    assert float(clipped(torch.full((1, 36), 99.0)).max()) == pytest.approx((1.3 - MEAN) / SPREAD)
    with pytest.raises(SteelyardError, match=r"small-images\.noise"):
        SmallImages(noise=-1.0)
