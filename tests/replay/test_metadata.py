import pytest

from steelyard.core import SteelyardError
from steelyard.replay import PrioritizedReplay, SingleUse
from steelyard.replay.metadata import ReplayMetadata


@pytest.mark.parametrize(
    "settings", [PrioritizedReplay(capacity=3, eviction="lowest-reward"), SingleUse(over_age="wait")]
)
def test_json_and_back(settings):
    metadata = ReplayMetadata(settings, 2**70, 4)
    assert ReplayMetadata.from_json(metadata.to_json(), "file") == metadata


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            ReplayMetadata(PrioritizedReplay(capacity=5), 0, None),
            "begun with capacity None, and 5 is asked for; use None",
        ),
        (ReplayMetadata(PrioritizedReplay(), 1, None), "begun with seed 0, and 1 is"),
        (ReplayMetadata(PrioritizedReplay(), 0, 3), "begun with max_staleness None, and 3 is"),
        (ReplayMetadata(SingleUse(), 0, None), "begun with method 'PrioritizedReplay', and 'SingleUse' is"),
    ],
)
def test_the_first_difference_is_named(asked, message):
    with pytest.raises(SteelyardError, match=message):
        ReplayMetadata(PrioritizedReplay(), 0, None).check_same(asked, "file")


def test_the_same_is_taken():
    ReplayMetadata(PrioritizedReplay(), 0, None).check_same(ReplayMetadata(PrioritizedReplay(), 0, None), "file")


def test_another_kind_is_refused():
    ReplayMetadata(SingleUse(), 0, None).check_kind(SingleUse, "file")
    with pytest.raises(SteelyardError, match="holds a SingleUse, not a PrioritizedReplay"):
        ReplayMetadata(SingleUse(), 0, None).check_kind(PrioritizedReplay, "file")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"settings": {}, "seed": 0}', '{"settings": 3}', "\x00"])
def test_damaged_settings_are_one_line(text):
    with pytest.raises(SteelyardError, match=r"^file: "):
        ReplayMetadata.from_json(text, "file")
