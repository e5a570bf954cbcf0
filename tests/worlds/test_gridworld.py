import numpy as np
import pytest

from steelyard.check import checks_for
from steelyard.control import best_action, play
from steelyard.worlds.gridworld import GOAL, START, WATER, Gridworld, best, moved

WORLD = Gridworld()


@pytest.mark.parametrize(
    "check", ["system-sizes", "system-pure", "system-ends", "json-round-trip", "settings-explained"]
)
def test_it_is_a_system(check):
    checks_for(Gridworld)[check](WORLD)


def test_moves_by_hand():
    assert [moved(6, a) for a in range(4)] == [1, 7, 11, 5]
    assert [moved(START, a) for a in range(4)] == [0, 1, 5, 0]  # walls keep one in place


def test_the_table_is_the_law_of_the_steps():
    law = WORLD.law()
    assert law.p_SAS.sum(2) == pytest.approx(np.ones((25, 4)))
    draws = np.random.default_rng(0)
    steps = [WORLD.step(6, 1, draws) for _ in range(4000)]
    counts = np.bincount([s.state for s in steps], minlength=25) / 4000
    assert counts == pytest.approx(law.p_SAS[6, 1], abs=0.02)
    assert all(s.reward == pytest.approx(law.reward_SAS[6, 1, s.state]) for s in steps)
    assert {s.cost for s in steps if s.state in WATER} == {1.0}


def test_without_slips_the_best_is_the_shortest_way_by_hand():
    assert best(Gridworld(slip=0.0)) == pytest.approx(1 - 8 * 0.02)
    assert best(WORLD) < best(Gridworld(slip=0.0))


def test_the_best_policy_gets_what_was_computed():
    actions = best_action(WORLD.law(), WORLD.horizon)

    class Best:
        def __init__(self):
            self.left = 0

        def __call__(self, observation, draws):
            place = int(observation.argmax())
            self.left = WORLD.horizon if place == START and self.left <= 0 else self.left
            self.left -= 1
            return int(actions[self.left, place])

    values = []
    for seed in range(300):
        (episode,) = play(WORLD, Best(), 1, seed=seed)
        values.append(episode.value)
    assert np.mean(values) == pytest.approx(best(WORLD), abs=0.02)
    assert moved(GOAL - 1, 1) == GOAL
