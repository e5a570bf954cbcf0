import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steelyard.check import random_batch
from steelyard.objective.reduce import steps_of
from steelyard.objective.value import gae, last_action, value_error

NUMBERS = st.lists(st.floats(-3, 3), min_size=4, max_size=4)


def rows(*values):
    return torch.tensor([[values]], dtype=torch.float64)


def test_by_hand_over_a_step_that_is_no_action():
    steps = torch.tensor([[[True, False, True]]])
    got = gae(rows(1.0, 50.0, 2.0), rows(0.5, 70.0, 0.25), steps, 0.5, 0.5)
    # delta_2 = 2 - 1/4; delta_1 = 1 + 1/8 - 1/2; A_1 = delta_1 + delta_2 / 4
    assert got.flatten().tolist() == pytest.approx([0.625 + 1.75 / 4, 0.0, 1.75])


@given(NUMBERS, NUMBERS)
def test_at_lambda_one_advantage_and_value_make_the_reward_to_go(reward, value):
    steps = torch.ones(1, 1, 4, dtype=torch.bool)
    got = gae(rows(*reward), rows(*value), steps, 1.0, 1.0) + rows(*value)
    to_go = rows(*reward).flip(-1).cumsum(-1).flip(-1)
    assert torch.allclose(got, to_go, atol=1e-9)


def test_the_last_action_is_one_of_each_valid_trajectory():
    batch = random_batch()
    last_PGT = last_action(batch)
    assert torch.equal(last_PGT.any(-1), batch.valid_PG)
    assert last_PGT.sum() == batch.valid_PG.sum()
    assert not (last_PGT & ~steps_of(batch)).any()


def test_the_error_of_nothing_is_zero_and_has_a_gradient():
    value = rows(1.0, 2.0).requires_grad_()
    error = value_error(value, rows(0.0, 0.0), torch.zeros(1, 1, 2, dtype=torch.bool))
    assert error.item() == 0.0
    assert not torch.autograd.grad(error, value)[0].any()
