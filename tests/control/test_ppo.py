import pytest

from steelyard.check.control import Corridor
from steelyard.control import ControlPPO
from steelyard.core import SteelyardError


def test_without_the_extra_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SteelyardError, match=r"stable-baselines3 is not installed; pip install 'steelyard\[control\]'"):
        ControlPPO().fit(Corridor(), seed=0)


def test_wrong_settings_are_refused():
    with pytest.raises(SteelyardError, match=r"control-ppo\.clip"):
        ControlPPO(clip=0.0)
