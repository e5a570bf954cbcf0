import pytest

from steelyard.core import SteelyardError
from steelyard.objective import Reinforce


def test_by_hand(batch_of, grad):
    batch = batch_of([[-1.0, -3.0]], [[1.0, 2.0]], ref=[[-2.0, -2.0]])
    loss = Reinforce(beta=0.5)(batch)
    # R = 1 - 0.5 and 2 + 0.5; loss = -(0.5 * -1 + 2.5 * -3) / 2
    assert loss.value.item() == 4.0
    assert loss.metrics == {"objective/shaped_reward": 1.5}
    assert grad(loss.value, batch).flatten().tolist() == [-0.25, -1.25]


def test_it_has_no_baseline(batch_of, grad):
    batch = batch_of([[-1.0, -3.0]], [[1.0, 1.0]])
    assert grad(Reinforce()(batch).value, batch).flatten().tolist() == [-0.5, -0.5]


def test_it_has_no_ratio(batch_of, grad):
    plain = batch_of([[-1.0, -3.0]], [[1.0, 2.0]])
    stale = batch_of([[-1.0, -3.0]], [[1.0, 2.0]], behaviour=[[-9.0, -0.1]])
    assert grad(Reinforce()(plain).value, plain).equal(grad(Reinforce()(stale).value, stale))


def test_negative_beta_is_refused():
    with pytest.raises(SteelyardError, match="use 0 or more"):
        Reinforce(beta=-0.1)
