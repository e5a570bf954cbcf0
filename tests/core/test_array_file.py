from pathlib import Path

import numpy as np
import pytest

from steelyard.core import SteelyardError
from steelyard.core.array_file import image_array, label_array, read_arrays


def test_an_array_alone_is_called_images(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.eye(2))
    np.savez(tmp_path / "a.npz", images=np.eye(3), labels=np.arange(3))
    assert image_array(read_arrays(str(tmp_path / "a.npy")), "a.npy").tolist() == [[1, 0], [0, 1]]
    assert [*read_arrays(str(tmp_path / "a.npz"))] == ["images", "labels"]


def test_labels_are_whole_numbers_from_0() -> None:
    assert label_array(np.array([True, False]), 2, "a").tolist() == [1, 0]
    for wrong in (np.array([0.5, 1]), np.array([0]), np.array([-1, 0]), np.array([0, 2])):
        with pytest.raises(SteelyardError, match="labels"):
            label_array(wrong, 2, "a")


def test_a_pickle_is_no_array(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(SteelyardError, match="cannot be read"):
        read_arrays(str(tmp_path / "a.npy"))
