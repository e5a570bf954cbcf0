import pytest

from steelyard import worlds
from steelyard.core import SteelyardError
from steelyard.core.modules import module_names
from steelyard.worlds import shelf
from steelyard.worlds.contract import World

HELPERS = {
    "contract", "fact-teaching", "labelled-world", "playing", "shelf", "sync-loop", "text-properties",
    "text-world",
}  # fmt: skip


def test_every_module_is_a_world_or_helps_one():
    assert set(shelf.names()) | HELPERS | {"bases"} == set(module_names(worlds))
    assert not set(shelf.names()) & HELPERS


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
