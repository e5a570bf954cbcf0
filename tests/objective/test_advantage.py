import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steelyard.objective import advantage

REWARD_PG = torch.tensor([[1.0, 2.0, 6.0], [5.0, 9.0, 7.0]], dtype=torch.float64)
VALID_PG = torch.tensor([[True, True, True], [True, False, False]])


def test_centred_by_hand():
    assert advantage.centred(REWARD_PG, VALID_PG).tolist() == [[-2.0, -1.0, 3.0], [0.0, 0.0, 0.0]]


def test_leave_one_out_by_hand():
    assert advantage.leave_one_out(REWARD_PG, VALID_PG).tolist() == [[-3.0, -1.5, 4.5], [0.0, 0.0, 0.0]]


def test_standardised_by_hand():
    got_PG = advantage.standardised(torch.tensor([[0.0, 0.0, 0.0, 1.0]]), torch.ones(1, 4, dtype=torch.bool), 1e-9)
    # sqrt((1 - p) / p) for the successes at a success rate p of 1/4: the population's standard deviation
    assert got_PG[0, 3].item() == pytest.approx(3**0.5)


def test_equal_rewards_have_no_advantage():
    reward_PG = torch.full((1, 3), 0.1)
    valid_PG = torch.ones(1, 3, dtype=torch.bool)
    assert advantage.standardised(reward_PG, valid_PG, 1e-4).abs().max() < 1e-3


def test_shaped_reward_subtracts_the_scaled_log_ratio_without_gradient(batch_of):
    batch = batch_of([[-1.0, -3.0]], [[1.0, 2.0]], ref=[[-2.0, -2.0]])
    shaped_PG = advantage.shaped_reward(batch, 0.5)
    assert shaped_PG.tolist() == [[0.5, 2.5]]
    assert not shaped_PG.requires_grad


def test_shaped_reward_needs_no_reference_without_beta(batch_of):
    batch = batch_of([[-1.0, -3.0]], [[1.0, 2.0]])
    assert advantage.shaped_reward(batch, 0.0).tolist() == [[1.0, 2.0]]
    with pytest.raises(ValueError, match="logp_ref_PGT"):
        advantage.shaped_reward(batch, 0.1)


rows = st.lists(st.tuples(st.floats(-10, 10), st.booleans()), min_size=1, max_size=6)


@given(rows)
def test_advantages_sum_to_zero_and_ignore_invalid_rewards(row):
    reward_PG = torch.tensor([[r for r, _ in row]], dtype=torch.float64)
    valid_PG = torch.tensor([[v for _, v in row]])
    lost_PG = reward_PG.where(valid_PG, float("nan"))
    for rule in (advantage.centred, advantage.leave_one_out, lambda x, v: advantage.standardised(x, v, 1e-4)):
        got_PG = rule(lost_PG, valid_PG)
        assert torch.equal(got_PG, rule(reward_PG, valid_PG))
        assert abs(got_PG.sum().item()) < 1e-9 * 1e4
        assert not got_PG[~valid_PG].any()


@given(rows, st.floats(-5, 5))
def test_a_constant_added_to_all_rewards_changes_nothing(row, constant):
    reward_PG = torch.tensor([[r for r, _ in row]], dtype=torch.float64)
    valid_PG = torch.tensor([[v for _, v in row]])
    shifted_PG = advantage.centred(reward_PG + constant, valid_PG)
    assert torch.allclose(shifted_PG, advantage.centred(reward_PG, valid_PG), atol=1e-9)
