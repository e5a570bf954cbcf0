import pytest

from steelyard.core import SteelyardError
from steelyard.objective import IPO


def test_by_hand(batch_of, grad):
    # h = (-3 + 2) - (-1 + 2) = -2 for the second, better sample; target 1 / (2 * 0.25) = 2
    batch = batch_of([[-1.0, -3.0]], [[0.0, 1.0]], ref=[[-2.0, -2.0]])
    loss = IPO(tau=0.25)(batch)
    assert loss.value.item() == 16.0
    assert loss.weight == 1.0
    assert grad(loss.value, batch).flatten().tolist() == [8.0, -8.0]
    assert loss.metrics == {"objective/margin": -2.0, "objective/accuracy": 0.0}


def test_it_rests_at_the_target_margin(batch_of, grad):
    batch = batch_of([[-1.0, -3.0]], [[1.0, 0.0]], ref=[[-2.0, -2.0]])
    loss = IPO(tau=0.25)(batch)
    assert loss.value.item() == 0
    assert not grad(loss.value, batch).any()
    assert loss.metrics["objective/accuracy"] == 1.0


def test_only_the_order_of_rewards_matters(batch_of):
    values = [IPO()(batch_of([[-1.0, -3.0]], [[r, 0.0]], ref=[[-2.0, -2.0]])).value.item() for r in (0.1, 9.0)]
    assert values[0] == values[1] == 9.0


def test_ties_weigh_nothing(batch_of, grad):
    batch = batch_of([[-1.0, -3.0]], [[1.0, 1.0]], ref=[[-2.0, -2.0]])
    loss = IPO()(batch)
    assert (loss.value.item(), loss.weight) == (0, 0)
    assert not grad(loss.value, batch).any()


def test_wrong_tau_is_refused():
    with pytest.raises(SteelyardError, match=r"ipo\.tau"):
        IPO(tau=0.0)
