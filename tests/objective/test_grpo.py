import pytest
import torch

from steelyard.check import outcome, random_batch
from steelyard.core import SteelyardError
from steelyard.objective import GRPO
from steelyard.objective.advantage import reward_of, standardised
from steelyard.objective.reduce import mean_steps, num_prompts, num_samples


def textbook(batch, clip, beta):
    """-mean_P mean_j mean_t [min(rho A, clip(rho) A) - beta k3], by autograd."""
    advantage_PG1 = standardised(reward_of(batch), batch.valid_PG, 1e-4)[..., None]
    ratio_PGT = (batch.logp_PGT - batch.logp_behaviour_PGT).exp()
    least_PGT = torch.minimum(ratio_PGT * advantage_PG1, ratio_PGT.clamp(1 - clip, 1 + clip) * advantage_PG1)
    u_PGT = batch.logp_ref_PGT - batch.logp_PGT
    k3_PGT = u_PGT.exp() - u_PGT - 1
    mean_PG = mean_steps(least_PGT - beta * k3_PGT, batch) / num_samples(batch.valid_PG)
    return -mean_PG.sum() / num_prompts(batch.valid_PG)


@pytest.mark.parametrize("beta", [0.0, 0.04, 2.0])
@pytest.mark.parametrize("seed", range(3))
def test_gradient_is_that_of_surrogate_and_k3_penalty(beta, seed):
    batch = random_batch(seed=seed)
    logp_PGT = batch.logp_PGT.clone().requires_grad_()
    expected = torch.autograd.grad(textbook(batch.replace(logp_PGT=logp_PGT), 0.2, beta), logp_PGT)[0]
    got = outcome(GRPO(beta=beta), batch).by_logp_PGT
    assert torch.allclose(got, expected, atol=1e-12)
    assert expected.abs().max() > 0.01


def test_by_hand(batch_of, grad):
    batch = batch_of([[-1.0] * 4], [[0.0, 0.0, 0.0, 1.0]], behaviour=[[-1.0] * 4])
    loss = GRPO(eps=1e-12)(batch)
    # p = 1/4: A = sqrt((1 - p) / p) for the success, -sqrt(p / (1 - p)) for failures
    expected = torch.tensor([3**-0.5, 3**-0.5, 3**-0.5, -(3**0.5)], dtype=torch.float64) / 4
    assert torch.allclose(grad(loss.value, batch).flatten(), expected)


def test_each_sequence_weighs_the_same_however_long():
    batch = random_batch().prompts(slice(0, 1))
    fresh = batch.replace(logp_behaviour_PGT=batch.logp_PGT)
    sum_PG = outcome(GRPO(), fresh).by_logp_PGT.sum(-1)
    advantage_PG = standardised(reward_of(batch), batch.valid_PG, 1e-4)
    assert torch.allclose(sum_PG, -advantage_PG / 4)


def test_k3_by_hand(batch_of):
    batch = batch_of([[-1.0, -1.0]], [[0.0, 0.0]], behaviour=[[-1.0, -1.0]], ref=[[-1.0, 0.0]])
    metrics = GRPO(beta=0.04)(batch).metrics
    assert metrics["objective/k3"] == pytest.approx((0 + torch.e - 2) / 2)


def test_reference_is_needed_only_with_beta(batch_of):
    batch = batch_of([[-1.0, -1.0]], [[0.0, 1.0]], behaviour=[[-1.0, -1.0]])
    assert GRPO()(batch).weight == 1.0
    with pytest.raises(ValueError, match="logp_ref_PGT"):
        GRPO(beta=0.04)(batch)


@pytest.mark.parametrize("settings", [{"clip": 0.0}, {"beta": -1.0}, {"eps": 0.0}])
def test_wrong_settings_are_refused(settings):
    with pytest.raises(SteelyardError, match="grpo"):
        GRPO(**settings)
