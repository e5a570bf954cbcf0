from pathlib import Path

import matplotlib.image
import pytest

from experiments.fabricated import study
from steelyard.core import SteelyardError
from steelyard.experiments.harness.curves import Points, draw_curves
from steelyard.experiments.harness.run_index import by_seed


def arms(root: Path):
    found = by_seed(study(root, ["one", "two"], 0.1, 0.5, 0.9), ["one", "two"])
    return {arm: list(runs.values()) for arm, runs in found.items()}


@pytest.mark.parametrize("points", [None, Points({"one": [0.9, 0.91], "two": [0.8, 0.82]}, "accuracy", "m")])
def test_the_picture_can_be_opened_and_holds_something(tmp_path: Path, points):
    """More than one colour, wider with a second panel, and the same bytes for the same runs."""
    held, path = arms(tmp_path / "runs"), tmp_path / "picture.png"
    draw_curves(path, held, "eval/accuracy", points=points, logarithmic=points is None)
    image = matplotlib.image.imread(path)
    assert image.shape[1] == (704 if points is None else 1056)
    assert image[..., :3].std() > 0.01
    draw_curves(tmp_path / "again.png", held, "eval/accuracy", points=points, logarithmic=points is None)
    assert path.read_bytes() == (tmp_path / "again.png").read_bytes()


def test_a_place_that_cannot_be_written(tmp_path: Path):
    with pytest.raises(SteelyardError, match=r"picture\.png: cannot be written"):
        draw_curves(tmp_path / "nowhere/picture.png", arms(tmp_path / "runs"), "eval/accuracy")
