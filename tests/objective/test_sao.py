import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steelyard.check import outcome, random_batch
from steelyard.core import Batch, SteelyardError
from steelyard.objective import PPO, SAO
from steelyard.objective.reduce import steps_of
from steelyard.objective.sao import length_adaptive


def one_sample(ratio, value, reward=1.0, action=None):
    """One sample of steps with these ratios and values; all are actions unless it is said."""
    log_ratio = torch.tensor([[ratio]], dtype=torch.float64).log()
    return Batch(
        logp_PGT=(log_ratio - 2).requires_grad_(),
        logp_behaviour_PGT=torch.full_like(log_ratio, -2.0),
        value_PGT=torch.tensor([[value]], dtype=torch.float64, requires_grad=True),
        action_PGT=torch.ones_like(log_ratio, dtype=torch.bool) if action is None else torch.tensor([[action]]),
        valid_PG=torch.ones(1, 1, dtype=torch.bool),
        reward_PG=torch.tensor([[reward]], dtype=torch.float64),
    )


def gradients(objective, batch):
    found = torch.autograd.grad(objective(batch).value, [batch.logp_PGT, batch.value_PGT])
    return [by.flatten().tolist() for by in found]


def test_by_hand():
    # Two actions around a step that is none: lambda = 1 - 1 / (1.5 * 2) = 2/3. V = 1/2, 1/4 and r = 1:
    # delta = 1/4 - 1/2 and 1 - 1/4, so A_1 = -1/4 + 2/3 * 3/4 = 1/4 and A_2 = 3/4. Both ratios are kept.
    batch = one_sample([2.0, 1.0, 0.8], [0.5, 9.0, 0.25], action=[True, False, True])
    by_logp, by_value = gradients(SAO(value_weight=0.1), batch)
    assert by_logp == pytest.approx([-2.0 * 0.25 / 2, 0.0, -0.8 * 0.75 / 2])
    # c (V - r) / 2 actions
    assert by_value == pytest.approx([0.1 * -0.5 / 2, 0.0, 0.1 * -0.75 / 2])


@pytest.mark.parametrize("reward", [1.0, -1.0])
def test_a_step_beyond_either_bound_is_left_out_whatever_its_advantage(reward):
    batch = one_sample([0.7 - 1e-9, 0.7 + 1e-9, 1.0, 6.0 - 1e-9, 6.0 + 1e-9], [0.0] * 5, reward)
    by_logp, by_value = gradients(SAO(), batch)
    assert [x != 0 for x in by_logp] == [False, True, True, True, False]
    assert all(by_value), "the value learns from all"
    assert SAO()(batch).metrics["objective/masked_share"] == pytest.approx(0.4)


def test_on_fresh_samples_with_a_long_memory_it_is_ppo_without_a_reference():
    batch = random_batch()
    fresh = batch.replace(logp_behaviour_PGT=batch.logp_PGT)
    ours = outcome(SAO(alpha=1e12, value_weight=0.3), fresh)
    known = outcome(PPO(beta=0.0, lam=1.0, value_weight=0.3), fresh)
    assert torch.allclose(ours.by_logp_PGT, known.by_logp_PGT, atol=1e-9)
    assert torch.allclose(ours.by_value_PGT, known.by_value_PGT, atol=1e-12)


def test_one_sample_a_prompt_is_enough():
    batch = random_batch(group_size=1).prompts(torch.tensor([0, 4]))
    assert outcome(SAO(), batch).by_logp_PGT.any()


def recursion(delta, action, alpha):
    """A_t = delta_t + lambda A_{t+1}, backwards over the actions."""
    lam = 1 - 1 / (alpha * max(sum(action), 1))
    found, later = [0.0] * len(delta), 0.0
    for t in reversed(range(len(delta))):
        if action[t]:
            found[t] = later = delta[t] + lam * later
    return found


STEPS = st.lists(st.tuples(st.floats(-3, 3), st.booleans()), min_size=1, max_size=8)


@given(STEPS, st.floats(1, 50))
def test_the_advantage_is_the_recursions(steps, alpha):
    delta, action = [x for x, _ in steps], [inside for _, inside in steps]
    got = length_adaptive(torch.tensor([[delta]], dtype=torch.float64), torch.tensor([[action]]), alpha)
    assert got.flatten().tolist() == pytest.approx(recursion(delta, action, alpha), abs=1e-9)


def test_long_answers_keep_their_numbers():
    delta_PGT = torch.ones(1, 1, 20_000)
    steps_PGT = torch.ones(1, 1, 20_000, dtype=torch.bool)
    for alpha in (1.0, 1.5):
        got = length_adaptive(delta_PGT, steps_PGT, alpha)[0, 0]
        # sum_k lambda^k = alpha n (1 - lambda^n) at the first of n steps, and 1 at the last
        first = alpha * 20_000 * (1 - (1 - 1 / (alpha * 20_000)) ** 20_000)
        assert got[0].item() == pytest.approx(first, rel=1e-3)
        assert got[-1].item() == pytest.approx(1.0, rel=1e-3)


def test_the_value_errs_towards_the_reward():
    batch = random_batch()
    by_value = outcome(SAO(value_weight=2.0), batch).by_value_PGT
    steps_PGT = steps_of(batch)
    expected = 2.0 * (batch.value_PGT - batch.reward_PG[..., None]).where(steps_PGT, 0.0) / steps_PGT.sum()
    assert torch.allclose(by_value, expected)


@pytest.mark.parametrize("settings", [{"clip_low": 0.0}, {"clip_high": 0.0}, {"alpha": 0.5}, {"value_weight": -1.0}])
def test_wrong_settings_are_refused(settings):
    with pytest.raises(SteelyardError, match=r"sao\."):
        SAO(**settings)
