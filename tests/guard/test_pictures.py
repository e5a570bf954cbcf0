"""Images with captions from files: scaled, written back as they were, and refused in one line."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.guard.pictures import read_pictures, write_pictures

BYTES = np.random.default_rng(0).integers(256, size=(4, 8, 9, 3), dtype=np.uint8)
TEXTS = np.array(["one", "two", "three", "ö 4"])


@pytest.mark.parametrize(
    "images", [BYTES, BYTES[..., 0], (BYTES / 255).astype(np.float32), BYTES[..., 0].astype(np.float64) / 255]
)
def test_what_is_written_is_what_was_read(images: np.ndarray, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=images, captions=TEXTS, labels=np.array([0, 1, 1, 2]))
    found = read_pictures(str(tmp_path / "a.npz"), captioned=True, flag="--images")
    assert found.shape == ((1 if images.ndim == 3 else 3), 8, 9)
    assert found.image_NCHW.min() >= 0 and found.image_NCHW.max() <= 1
    write_pictures(found, tmp_path / "b.npz")
    with np.load(tmp_path / "b.npz") as again:
        assert again["images"].dtype == images.dtype
        assert np.allclose(again["images"], images, atol=1e-6)
        assert again["captions"].tolist() == TEXTS.tolist()
        assert again["labels"].tolist() == [0, 1, 1, 2]


def test_a_change_by_hand(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=np.full((1, 8, 8), 100, np.uint8))
    found = read_pictures(str(tmp_path / "a.npz"), captioned=False, flag="--images")
    write_pictures(found.changed(found.image_NCHW + 8 / 255), tmp_path / "b.npz")
    write_pictures(found.changed(found.image_NCHW + 2), tmp_path / "c.npz")
    assert {*np.load(tmp_path / "b.npz")["images"].flat} == {108}
    assert {*np.load(tmp_path / "c.npz")["images"].flat} == {255}


def test_a_part_keeps_what_belongs_together(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=BYTES, captions=TEXTS, labels=np.array([0, 1, 1, 2]))
    found = read_pictures(str(tmp_path / "a.npz"), captioned=True, flag="--images")
    part = found.part(torch.tensor([3, 0]))
    assert (part.captions, part.label_N.tolist(), len(part)) == (("ö 4", "one"), [2, 0], 2)
    assert torch.equal(part.image_NCHW[1], found.image_NCHW[0])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"images": BYTES[:, :, :, :2]}, "8 x 9 pixels of 2 channels; give 8 to 64 pixels a side"),
        ({"images": BYTES[:, :4]}, "an image has 4 x 9 pixels"),
        ({"images": np.zeros((4, 65, 8))}, "an image has 65 x 8 pixels"),
        ({"images": BYTES[0, :, 0]}, r"images has the shape \(8, 3\)"),
        ({"images": BYTES / 100}, "its float64 numbers run from"),
        ({"images": BYTES.astype(np.int64) * 2}, "its int64 numbers run from 0 to"),
        ({"captions": TEXTS[:2]}, "and there are 4 images; give one text for each"),
        ({"captions": np.arange(4)}, "captions is an array of int64"),
        ({"captions": np.array(["a", " ", "b", "c"])}, "caption 1 is empty"),
        ({"captions": None}, "it holds no array 'captions', but images"),
    ],
)
def test_what_is_wrong_is_told(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    arrays = {
        name: array for name, array in ({"images": BYTES, "captions": TEXTS} | change).items() if array is not None
    }
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(SteelyardError, match=said):
        read_pictures(str(tmp_path / "a.npz"), captioned=True, flag="--images")


def test_a_file_must_be_named() -> None:
    with pytest.raises(SteelyardError, match="--protect: is missing"):
        read_pictures("", captioned=True, flag="--protect")
