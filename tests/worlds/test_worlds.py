"""Worlds are no methods of the catalogue, but they are held to what every task is held to."""

import functools
import json

import pytest

from steelyard import worlds
from steelyard.check import checks_for
from steelyard.core import SteelyardError, cards, decode, encode
from steelyard.objective import VarGradTB
from steelyard.runtime import Run

WORLDS = [getattr(worlds, name) for name in worlds.__all__]
SAME_SPLITS = {"Grammar"}  # what counts is the distance to the source, so both splits are the same
CHECKS = [
    (cls, name) for cls in WORLDS for name in checks_for(cls) if (cls.__name__, name) != ("Grammar", "task-splits")
]


@functools.cache
def instance(cls):
    return cls()


@pytest.mark.parametrize(("cls", "check"), CHECKS, ids=lambda x: x if isinstance(x, str) else x.__name__)
def test_a_world_is_a_task(cls, check):
    checks_for(cls)[check](instance(cls))


def test_no_world_is_registered():
    assert not {card.cls for card in cards()} & set(WORLDS)


@pytest.mark.parametrize("cls", WORLDS)
def test_a_run_on_a_world_survives_its_own_config_file(cls):
    run = Run(task=instance(cls), objective=VarGradTB(), model="steelyard/enumerable")
    data = json.loads(json.dumps(encode(run)))
    assert data["task"]["class"] == f"{cls.__module__}:{cls.__name__}"
    assert decode(data, Run) == run


def test_a_config_from_when_worlds_were_registered_still_decodes():
    old = {"method": "addends", "module": "steelyard.task.addends", "largest": 50}
    assert decode(old) == worlds.ManyAnswers(largest=50)
    renamed = {"class": "steelyard.worlds.addends:Addends", "largest": 50}
    assert decode(renamed) == worlds.ManyAnswers(largest=50)


@pytest.mark.parametrize(
    "spec", ["os:path", "steelyard.worlds.many_answers:draw_answer", "steelyard.core:Batch.x", "x", ""]
)
def test_nothing_but_a_settings_class_of_the_package_can_be_named(spec):
    with pytest.raises(SteelyardError, match=r"task"):
        decode({"task": {"class": spec}, "objective": encode(VarGradTB()), "model": "m"}, Run)
