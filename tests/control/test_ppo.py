import numpy as np
import pytest
import torch

from steelyard.check import check_method
from steelyard.check.control import Corridor
from steelyard.control import ControlPPO, play
from steelyard.core import SteelyardError
from steelyard.worlds.point_mass import PointMass


def test_without_the_extra_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SteelyardError, match=r"stable-baselines3 is not installed; pip install 'steelyard\[control\]'"):
        ControlPPO().fit(Corridor(), seed=0)


def test_wrong_settings_are_refused():
    with pytest.raises(SteelyardError, match=r"control-ppo\.clip"):
        ControlPPO(clip=0.0)


def test_it_acts_on_systems_of_either_kind_and_leaves_the_global_generators_alone():
    pytest.importorskip("stable_baselines3")
    before = torch.get_rng_state()
    brief = ControlPPO(steps=64, batch_steps=64)
    (walk,) = play(Corridor(), brief.fit(Corridor(), seed=0), 1, seed=0)
    (push,) = play(PointMass(horizon=5), brief.fit(PointMass(horizon=5), seed=0), 1, seed=0)
    assert torch.equal(before, torch.get_rng_state())
    assert {type(a) for a in walk.actions} == {int}
    assert all(a.shape == (2,) and np.abs(a).max() <= 1 for a in push.actions)


@pytest.mark.long
def test_it_keeps_the_contract_of_a_learner():
    pytest.importorskip("stable_baselines3")
    verdicts = check_method(ControlPPO)
    assert len(verdicts) >= 9
    assert {v.check: v.reason for v in verdicts if not v.passed} == {}
