import numpy as np
import pytest

from steelyard.check import checks_for
from steelyard.control import play
from steelyard.core import rng
from steelyard.worlds.point_mass import DT, PointMass, best

CALM = PointMass(noise=0.0)


@pytest.mark.parametrize(
    "check", ["system-sizes", "system-pure", "system-ends", "json-round-trip", "settings-explained"]
)
def test_it_is_a_system(check):
    checks_for(PointMass)[check](PointMass())


def test_a_step_by_hand():
    step = CALM.step(np.array([1.0, 0.0, -1.0, 0.0]), np.array([1.0, 0.0]), np.random.default_rng(0))
    assert step.state == pytest.approx([0.9, 0.0, -0.8, 0.0])
    assert step.reward == pytest.approx(-(0.81 + 0.1 * 0.64 + 0.01) * DT)
    assert step.cost == 0.0
    near = CALM.step(np.array([0.5, 0.1, 0.0, 0.0]), np.zeros(2), np.random.default_rng(0))
    assert near.cost == 1.0


def test_with_one_step_left_nothing_can_be_gained_but_speed_by_hand():
    # The place that is reached does not depend on the action; the speed does: minimise 0.1 (v + 0.2 a)^2 + 0.01 a^2.
    gains, p, constant = PointMass(horizon=1).gains()
    assert gains[0][0] == pytest.approx([0.0, 0.0, 0.1 * 0.2 / (0.1 * 0.04 + 0.01), 0.0])
    assert constant == pytest.approx(2 * DT * 0.1 * (DT * 0.3) ** 2)
    assert p[0, 0] == pytest.approx(DT)


def test_the_linear_controller_gets_what_was_computed_and_none_gets_more():
    weak = PointMass(force=40.0)  # a force that strong never meets its limit
    gains, *_ = weak.gains()

    def act(step):
        return lambda observation, draws: -gains[weak.horizon - 1 - next(step)] @ observation

    values, bounds = [], []
    for seed in range(40):
        (episode,) = play(weak, act(iter(range(60))), 1, seed=seed)
        values.append(episode.value)
        bounds.append(weak.best(weak.reset(rng(seed, "episode", 0))))
    assert np.mean(values) == pytest.approx(np.mean(bounds), rel=0.05)
    assert best(weak) == pytest.approx(np.mean(bounds), rel=0.1)
    assert best(PointMass(horizon=60)) > np.mean(
        [e.value for e in play(PointMass(), lambda o, d: np.zeros(2), 20, seed=0)]
    )
