import pytest

from steelyard.core import SteelyardError
from steelyard.worlds import shelf
from steelyard.worlds.contract import World

WANTED = {
    "checkable-steps", "domains", "facts", "grammar", "gridworld", "guessed-sums", "guessing-game", "habits",
    "latent-skill", "long-texts", "loophole", "lottery", "many-answers", "notes", "page-actions", "people",
    "point-mass", "preference", "safety", "scratchpad", "second-chances", "shapes", "text-stream", "urns",
    "worked-sums",
}  # fmt: skip


def test_every_module_with_a_world_is_on_the_shelf():
    assert set(shelf.names()) >= WANTED
    assert "sync-loop" not in shelf.names()


@pytest.mark.parametrize("name", shelf.names())
def test_a_world_has_a_data_sheet_and_keeps_the_contract(name):
    assert isinstance(shelf.load(name), World)
    sheet = shelf.sheet(name)
    assert len(shelf.summary(name)) <= 120
    assert "Source:" in sheet or "Differs:" in sheet
    assert len(sheet.splitlines()) >= 5


def test_an_unknown_name_is_told_with_near_ones():
    with pytest.raises(SteelyardError, match=r"unknown world 'loop-hole'.*loophole"):
        shelf.load("loop-hole")
    with pytest.raises(SteelyardError, match="unknown world 'sync-loop'"):  # a module of the room, but no world
        shelf.load("sync-loop")
