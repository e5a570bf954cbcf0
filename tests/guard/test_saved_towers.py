"""Towers on disk: read back as they were, and refused in one line."""

from pathlib import Path

import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.guard.saved_towers import FACTS, TENSORS, TowerFacts, read_towers, write_towers
from steelyard.guard.two_towers import bags

TOLD = TowerFacts((3, 8, 9), ("a", "ring"))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    towers = TOLD.begin(seed=3)
    write_towers(towers, TOLD, tmp_path / "new")
    again, facts = read_towers(tmp_path / "new")
    assert facts == TOLD
    image = torch.rand(2, 3, 8, 9, generator=torch.Generator().manual_seed(0))
    bag = bags(["a ring", "a"], facts.words)
    assert torch.equal(again.similarity(image, bag), towers.similarity(image, bag))


@pytest.mark.parametrize("damage", [FACTS, TENSORS])
def test_damage_is_told(damage: str, tmp_path: Path) -> None:
    write_towers(TOLD.begin(), TOLD, tmp_path)
    (tmp_path / damage).write_text("{")
    with pytest.raises(SteelyardError, match="no towers can be read"):
        read_towers(tmp_path)


def test_towers_of_another_form_are_refused(tmp_path: Path) -> None:
    write_towers(TOLD.begin(), TowerFacts((3, 8, 9), ("a",)), tmp_path)
    with pytest.raises(SteelyardError, match="no towers can be read"):
        read_towers(tmp_path)
    with pytest.raises(SteelyardError, match="no towers can be read"):
        read_towers(tmp_path / "nowhere")
