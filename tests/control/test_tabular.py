import numpy as np
import pytest

from steelyard.control import Law, best_action, best_values, value_of

# Two states. In 0, action 0 stays and pays 0.4; action 1 goes to 1 and pays nothing. In 1 both stay and pay 1.
P = np.zeros((2, 2, 2))
P[0, 0, 0] = P[0, 1, 1] = P[1, :, 1] = 1.0
R = np.zeros((2, 2, 2))
R[0, 0, 0] = 0.4
R[1, :, 1] = 1.0
TABLE = Law(P, R, np.array([1.0, 0.0]))


def test_backward_induction_by_hand():
    assert best_values(TABLE, 3) == pytest.approx(np.array([[0.4, 1.0], [1.0, 2.0], [2.0, 3.0]]))
    assert best_action(TABLE, 3)[:, 0].tolist() == [0, 1, 1]
    assert value_of(TABLE, 3) == pytest.approx(2.0)


def test_the_value_of_a_policy_by_hand():
    stays = np.array([[1.0, 0.0], [1.0, 0.0]])
    half = np.full((2, 2), 0.5)
    assert value_of(TABLE, 3, stays) == pytest.approx(1.2)
    assert value_of(TABLE, 2, half) == pytest.approx(0.5 * (0.4 + 0.2) + 0.5 * 1.0)
    assert value_of(TABLE, 3, half) <= value_of(TABLE, 3)
