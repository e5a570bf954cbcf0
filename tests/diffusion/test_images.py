"""Images from files: scaled, split by hash, and refused in one line where they are none."""

from pathlib import Path

import numpy as np
import pytest

from steelyard.core import SteelyardError
from steelyard.diffusion.images import read_images, split_images


def test_numbers_are_scaled_together_and_rows_keep_their_order(tmp_path: Path) -> None:
    images = np.array([[[0, 10], [0, 10]], [[10, 0], [10, 0]]], np.uint8)
    np.savez(tmp_path / "i.npz", images=images, labels=np.array([1, 0]))
    found = read_images(str(tmp_path / "i.npz"))
    assert (found.mean, found.spread, found.shape, found.classes) == (5.0, 5.0, (2, 2), 2)
    assert found.data_NX.tolist() == [[-1, 1, -1, 1], [1, -1, 1, -1]]
    assert found.label_N.tolist() == [1, 0]


def test_an_array_alone_is_of_one_class(tmp_path: Path) -> None:
    np.save(tmp_path / "i.npy", np.eye(4))
    found = read_images(str(tmp_path / "i.npy"))
    assert (found.shape, found.label_N.tolist()) == ((4,), [0, 0, 0, 0])


def test_equal_rows_are_on_one_side_and_both_sides_are_whole(tmp_path: Path) -> None:
    np.save(tmp_path / "i.npy", np.tile(np.eye(20), (2, 1)))
    train, held_out = split_images(read_images(str(tmp_path / "i.npy")), 0.3, "i.npy")
    sides = [{tuple(row) for row in part.data_NX.tolist()} for part in (train, held_out)]
    assert not sides[0] & sides[1]
    assert len(train.label_N) + len(held_out.label_N) == 40
    assert all(len(part.label_N) % 2 == 0 for part in (train, held_out))


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"pictures": np.eye(4)}, "it holds no array 'images', but pictures"),
        ({"images": np.array([["a"], ["b"]])}, "images is an array of <U1"),
        ({"images": np.array([{}, {}], object)}, "cannot be read"),
        ({"images": np.arange(4.0)}, r"with the shape \(4,\)"),
        ({"images": np.ones((4, 2))}, "all its numbers are 1"),
        ({"images": np.array([[1.0, 2.0], [np.nan, 1.0]])}, "image 1 has a number that is not finite"),
        ({"images": np.zeros((2, 4000)) + np.eye(2, 4000)}, "an image has 4,000 numbers, and at most 3,072"),
        ({"images": np.eye(4), "labels": np.arange(3)}, "and there are 4 images"),
        ({"images": np.eye(4), "labels": np.array([0, 1, 2, -1])}, "run from -1 to 2"),
        ({"images": np.eye(4), "labels": np.array([0.5, 1, 1, 1])}, "labels is an array of float64"),
    ],
)
def test_what_is_no_images_is_refused(arrays: dict[str, np.ndarray], said: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "i.npz", **arrays)
    with pytest.raises(SteelyardError, match=said):
        read_images(str(tmp_path / "i.npz"))


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "i.npz").write_text("no archive")
    for path, said in (("", "--images: is missing"), ("i.png", ".png is not read"), ("gone.npy", "no such file")):
        with pytest.raises(SteelyardError, match=said):
            read_images(path)
    with pytest.raises(SteelyardError, match="cannot be read"):
        read_images(str(tmp_path / "i.npz"))


def test_a_split_with_an_empty_side_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "i.npy", np.eye(4))
    with pytest.raises(SteelyardError, match="are held out; give more images"):
        split_images(read_images(str(tmp_path / "i.npy")), 0.01, "i.npy")
