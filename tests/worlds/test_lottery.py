import numpy as np
import pytest

from steelyard.check import checks_for
from steelyard.control import play
from steelyard.worlds.lottery import LADDER, LOTTERY, WORK, WORLD, Lottery, best


@pytest.mark.parametrize(
    "check", ["system-sizes", "system-pure", "system-ends", "json-round-trip", "settings-explained"]
)
def test_it_is_a_system(check):
    checks_for(Lottery)[check](Lottery())


def test_to_work_is_the_best_by_hand():
    assert best(Lottery()) == pytest.approx(5 * 0.5)
    assert best(Lottery(luck=1.0)) == pytest.approx(4 * (3.0 + 1.0))  # up first, then prizes


def test_the_law_is_that_of_the_steps():
    world = Lottery(luck=0.5)
    law = world.law()
    assert law.p_SAS.sum(2) == pytest.approx(np.ones((11, 3)))
    draws = np.random.default_rng(0)
    for action in (WORK, LOTTERY, LADDER):
        steps = [world.step(2, action, draws) for _ in range(2000)]
        counts = np.bincount([s.state for s in steps], minlength=11) / 2000
        assert counts == pytest.approx(law.p_SAS[2, action], abs=0.05)
        paid = np.mean([s.reward for s in steps])
        assert paid == pytest.approx(law.reward_SAS[2, action, 4], abs=0.15)


def test_who_is_up_earns_more_whatever_is_done_by_hand():
    world = Lottery(luck=1.0)
    (episode,) = play(world, lambda observation, draws: LADDER if observation[0] else WORK, 1, seed=0)
    assert episode.rewards == [0.0, 1.5, 1.5, 1.5, 1.5]


def test_the_lucky_have_more_than_the_best():
    draws = np.random.default_rng(0)
    episodes = play(Lottery(), lambda observation, own: int(draws.integers(3)), 500, seed=0)
    values = np.array([e.value for e in episodes])
    assert values.max() > best(Lottery()) + 2
    assert values.mean() < best(Lottery())
    assert WORLD.best() == best(WORLD.system)
    assert best(WORLD.calm) == pytest.approx(best(WORLD.system))
