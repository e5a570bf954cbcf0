import numpy as np
import pytest

from steelyard.core import Prompt
from steelyard.task.answered import Answered
from steelyard.unlearn import Relearning, Unalignment
from steelyard.unlearn.material import Material
from steelyard.unlearn.unalignment import curve, doublings
from steelyard.worlds.sync_loop import tiny_policy

ROWS = [Answered(Prompt(p, f"{p}:"), p.upper(), ("Z",)) for p in "dcab"]


@pytest.fixture
def policy():
    return tiny_policy("abcdABCDZ:", seed=0, width=16, layers=1, heads=2, context=8)


@pytest.mark.parametrize(("most", "numbers"), [(1, [0, 1]), (2, [0, 1, 2]), (5, [0, 1, 2, 4, 5]), (8, [0, 1, 2, 4, 8])])
def test_pairs_double_up_to_the_most(most, numbers):
    assert doublings(most) == numbers


def test_the_curve_by_hand():
    """pairs, questions, probability, accuracy, truth, logp: untouched, and after 1 and 2 pairs."""
    rows = [(0, 4, 0.1, 0.0, None, -3.0), (1, 4, 0.2, 0.25, None, -2.0), (2, 4, 0.4, 0.5, None, -1.0)]
    assert curve(rows) == pytest.approx((2, 4, 0.3, 0.375, None, -1.5))
    assert curve(rows[:2])[0] is None
    assert curve([(0, 4, 0.1, 0.5, None, -3.0), *rows[1:]])[0] == 0


def test_with_all_pairs_it_is_relearning(policy):
    material = Material(ROWS)
    table = Unalignment(most=2, steps=3, learning_rate=1e-2).measure(policy, material)
    other = Relearning(rows=2, steps=3, learning_rate=1e-2).measure(policy, material)
    for name, beside in (("after_0", "rest_before"), ("after_2", "rest_after")):
        assert table.number(name, "logp") == pytest.approx(other.number(beside, "logp"))
        assert table.number(name, "questions") == 2
    assert [name for name, _ in table.rows] == ["after_0", "after_1", "after_2", "curve"]


def test_the_policy_stays_as_it_is(policy):
    before = policy.weights().copy()
    Unalignment(steps=2, learning_rate=1e-2).measure(policy, Material(ROWS))
    assert np.array_equal(policy.weights(), before)


def test_one_row_leaves_nothing_to_ask():
    assert Unalignment().lacks(Material(ROWS[:1])) == "two rows to be forgotten with different prompts"
    assert not Unalignment().lacks(Material(ROWS))
