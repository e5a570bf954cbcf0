"""ACU: numbers by hand, exact forgetting, and ridge regression as what it comes to."""

import numpy as np
import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.guard import ACU


def drawn(number: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    draws = np.random.default_rng(seed)
    return torch.from_numpy(draws.normal(size=(number, 5))).float(), torch.from_numpy(draws.integers(3, size=number))


def test_by_hand():
    # A state of class 1, of length 1 then, has features [1, 1]; gamma 1: the inverse of [[2, 1], [1, 2]].
    head = ACU(width=0, ridge=1.0).begin(1)
    head.learn(torch.tensor([[2.0]]), torch.tensor([1]))
    assert head.inverse_FF.tolist() == [pytest.approx([2 / 3, -1 / 3]), pytest.approx([-1 / 3, 2 / 3])]
    assert head.weight_FC[:, 1].tolist() == pytest.approx([1 / 3, 1 / 3])
    assert head.weight_FC[:, 0].tolist() == pytest.approx([0.0, 0.0])
    head.forget(torch.tensor([[2.0]]), torch.tensor([1]))
    assert head.inverse_FF.tolist() == [pytest.approx([1.0, 0.0]), pytest.approx([0.0, 1.0])]
    assert head.weight_FC.abs().max() < 1e-12


@pytest.mark.parametrize("width", [0, 16])
def test_it_is_ridge_regression_on_what_is_left(width):
    method = ACU(width=width, ridge=0.5)
    state_ND, label_N = drawn(60)
    head = method.begin(5, classes=3)
    for start in range(0, 60, 20):
        head.learn(state_ND[start : start + 20], label_N[start : start + 20])
    torch.testing.assert_close(head.weight_FC, method.retrained(state_ND, label_N, 3), atol=1e-10, rtol=0)
    for start in range(10, 40, 3):  # requests that do not follow the batches
        head.forget(state_ND[start : start + 3], label_N[start : start + 3])
    left = torch.cat([torch.arange(10), torch.arange(40, 60)])
    torch.testing.assert_close(head.weight_FC, method.retrained(state_ND[left], label_N[left], 3), atol=1e-10, rtol=0)


def test_all_may_be_forgotten_and_learned_again():
    state_ND, label_N = drawn(12)
    head = ACU(width=8).begin(5, classes=3)
    head.learn(state_ND, label_N)
    before = head.weight_FC.clone()
    head.forget(state_ND, label_N)
    assert head.weight_FC.abs().max() < 1e-9
    head.learn(state_ND, label_N)
    torch.testing.assert_close(head.weight_FC, before, atol=1e-9, rtol=0)


def test_no_rows_change_nothing():
    state_ND, label_N = drawn(4)
    head = ACU().begin(5, classes=3)
    head.learn(state_ND, label_N)
    before = head.weight_FC.clone()
    head.forget(state_ND[:0], label_N[:0])
    assert torch.equal(head.weight_FC, before)
    assert len(head.scores(state_ND[:0])) == 0


def test_a_head_comes_back_from_its_tensors():
    method = ACU(width=8)
    state_ND, label_N = drawn(9)
    head = method.begin(5, classes=3)
    head.learn(state_ND, label_N)
    head.learned = {3, 1}
    again = method.restored(head.tensors())
    assert torch.equal(again.scores(state_ND), head.scores(state_ND)) and again.learned == {1, 3}
    assert 0 <= again.rule(state_ND).harm_N.min() <= again.rule(state_ND).harm_N.max() <= 1
    with pytest.raises(SteelyardError, match="do not fit"):
        method.restored(head.tensors() | {"inverse_FF": torch.eye(2).double()})
