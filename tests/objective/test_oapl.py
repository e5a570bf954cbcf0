import math

import pytest
import torch

from steelyard.check import outcome, random_batch
from steelyard.core import SteelyardError
from steelyard.objective import OAPL, Kimi, VarGradTB
from steelyard.objective.advantage import reward_of


def test_by_hand(batch_of, grad):
    # exp(r / beta) = 3 and 1, so V_hat = beta log 2; l = log 2 and log 1/2
    beta, reward = 0.5, 0.5 * math.log(3)
    batch = batch_of([[-1.0, -1.0]], [[reward, 0.0]], behaviour=[[-1.0 - math.log(2), -1.0 + math.log(2)]])
    loss = OAPL(beta=beta)(batch)
    residuals = [beta * (math.log(2) - math.log(3) + math.log(2)), beta * (-math.log(2) + math.log(2))]
    assert loss.value.item() == pytest.approx(sum(d * d for d in residuals) / 2)
    assert grad(loss.value, batch).flatten().tolist() == pytest.approx([beta * d for d in residuals])
    assert loss.metrics["objective/value"] == pytest.approx(beta * math.log(2))
    assert loss.metrics["objective/kl"] == pytest.approx(0.0)


def test_a_hot_value_is_the_mean_reward_which_is_kimis():
    batch = random_batch()
    hot = OAPL(beta=0.3, value_beta=1e7, lagged="reference")
    assert torch.allclose(outcome(hot, batch).by_logp_PGT, outcome(Kimi(beta=0.3), batch).by_logp_PGT, atol=1e-6)


def test_a_cold_value_is_the_best_reward():
    batch = random_batch().prompts(slice(0, 1))
    value = OAPL(value_beta=1e-6)(batch).metrics["objective/value"]
    assert value == pytest.approx(reward_of(batch).max().item(), abs=1e-4)


def test_a_lagged_behaviour_is_a_reference_of_another_name():
    batch = random_batch()
    swapped = batch.replace(logp_ref_PGT=batch.logp_behaviour_PGT, logp_behaviour_PGT=None)
    one, other = outcome(OAPL(), batch), outcome(OAPL(lagged="reference"), swapped)
    assert one.loss == other.loss
    assert torch.equal(one.by_logp_PGT, other.by_logp_PGT)


def test_the_gradient_is_trajectory_balances_but_for_the_baseline():
    """Both are 2 beta / n (residual) at each action; the residuals differ by one number for each prompt."""
    batch = random_batch().prompts(torch.tensor([0, 4]))
    ours = outcome(OAPL(beta=0.3, lagged="reference"), batch).by_logp_PGT
    gap_PGT = ours - outcome(VarGradTB(beta=0.3), batch).by_logp_PGT
    for prompt_GT, action_GT in zip(gap_PGT, batch.action_PGT, strict=True):
        assert torch.allclose(prompt_GT[action_GT], prompt_GT[action_GT][0])
        assert prompt_GT[action_GT].abs().max() > 1e-3


def test_extreme_rewards_do_not_overflow(batch_of, grad):
    batch = batch_of([[-1.0, -1.0]], [[1e4, 0.0]], behaviour=[[-1.0, -1.0]])
    loss = OAPL(beta=0.01)(batch)
    assert loss.metrics["objective/value"] == pytest.approx(1e4, rel=1e-5)
    assert grad(loss.value, batch).isfinite().all()


@pytest.mark.parametrize("settings", [{"beta": 0.0}, {"value_beta": 0.0}, {"value_beta": math.inf}])
def test_wrong_settings_are_refused(settings):
    with pytest.raises(SteelyardError, match="oapl"):
        OAPL(**settings)


def test_the_field_it_needs_is_named(batch_of):
    with pytest.raises(ValueError, match="logp_behaviour_PGT"):
        OAPL()(batch_of([[-1.0]], [[1.0]], ref=[[-1.0]]))
