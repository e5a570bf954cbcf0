import pytest

from steelyard.experiments.harness import null_method
from steelyard.experiments.harness.effect import clopper_pearson
from steelyard.experiments.harness.null_method import null_rate


def test_two_identical_arms_are_told_apart_by_chance_alone(monkeypatch):
    # Half of the first blocks are shown, and a third of those again.
    answers = iter([True, True, False, True, False, False, False, True, False])
    monkeypatch.setattr(null_method, "_shows", lambda first_seed: next(answers))
    found = null_rate(6, print)
    assert (found.shown, found.replicated) == (3, 1)
    assert found.rate == 0.5
    assert found.interval == clopper_pearson(3, 6, 0.05)
    assert found.text.startswith("two identical arms were called shown in 3 of 6 first blocks (50.0 % [15.3, 84.7])")


def test_its_seeds_are_paired_and_its_arms_alike():
    one, other = (null_method._regret(5, arm)["regret"] for arm in ("arm", "same"))
    assert one == null_method._regret(5, "arm")["regret"]
    assert one != other
    assert one == pytest.approx(other, rel=0.5)
