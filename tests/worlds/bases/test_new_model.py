"""A model is written whole or not at all."""

from pathlib import Path

import pytest
from safetensors import SafetensorError

from steelyard.core import SteelyardError
from steelyard.policy import Policy
from steelyard.worlds.bases.new_model import save_new


@pytest.fixture(scope="module")
def policy(tiny_model_dir) -> Policy:
    return Policy.load(str(tiny_model_dir("llama")))


def test_into_an_absent_or_an_empty_directory(policy: Policy, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("above/new", "empty"):
        directory = save_new(policy, tmp_path / name)
        assert (Policy.load(str(directory)).weights() == policy.weights()).all()
        assert [path.name for path in directory.parent.iterdir()] in (["new"], ["above", "empty"], ["empty", "above"])
        with pytest.raises(SteelyardError, match="is not empty; choose another --output-dir"):
            save_new(policy, directory)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), SafetensorError("no room")])
def test_a_disk_that_does_not_take_it(policy: Policy, tmp_path: Path, monkeypatch, error: Exception) -> None:
    def save(directory: Path, *, force: bool) -> None:
        directory.mkdir()
        (directory / "config.json").write_text("half")
        raise error

    monkeypatch.setattr(policy, "save", save)
    with pytest.raises(SteelyardError, match=r"new: cannot be written \(no room\)|new: cannot be written \(No space"):
        save_new(policy, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []
