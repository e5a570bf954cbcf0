import math

import pytest
import torch

from steelyard.check import outcome, random_batch
from steelyard.core import SteelyardError
from steelyard.objective import RLOO, ProximalRLOO
from steelyard.objective.advantage import leave_one_out, reward_of
from steelyard.objective.reduce import batch_mean, sum_steps


def test_by_hand(batch_of, grad):
    # ratios 1.1, 1.1 and 2; rewards less the mean of the others: 1/2, -1, 1/2; the third is clipped
    behaviour = [[-1.0 - math.log(1.1), -1.0 - math.log(1.1), -1.0 - math.log(2)]]
    batch = batch_of([[-1.0, -1.0, -1.0]], [[1.0, 0.0, 1.0]], behaviour=behaviour)
    loss = ProximalRLOO()(batch)
    assert grad(loss.value, batch).flatten().tolist() == pytest.approx([-0.55 / 3, 1.1 / 3, 0.0])
    assert loss.metrics["objective/clip_share"] == pytest.approx(1 / 3)
    assert loss.metrics["objective/ratio"] == pytest.approx(1.4)


@pytest.mark.parametrize("seed", range(3))
def test_gradient_is_that_of_the_surrogate(seed):
    batch = random_batch(seed=seed)
    logp_PGT = batch.logp_PGT.clone().requires_grad_()
    moving = batch.replace(logp_PGT=logp_PGT)
    advantage_PG = leave_one_out(reward_of(batch), batch.valid_PG)
    ratio_PG = sum_steps(logp_PGT - batch.logp_behaviour_PGT, moving).exp()
    least_PG = torch.minimum(ratio_PG * advantage_PG, ratio_PG.clamp(0.8, 1.2) * advantage_PG)
    expected = torch.autograd.grad(-batch_mean(least_PG, batch.valid_PG), logp_PGT)[0]
    assert torch.allclose(outcome(ProximalRLOO(), batch).by_logp_PGT, expected, atol=1e-12)
    assert expected.abs().max() > 0.01


@pytest.mark.parametrize("beta", [0.0, 0.3])
def test_on_fresh_data_it_is_rloo(beta):
    batch = random_batch()
    fresh = batch.replace(logp_behaviour_PGT=batch.logp_PGT)
    ours, rloo = outcome(ProximalRLOO(beta=beta), fresh).by_logp_PGT, outcome(RLOO(beta=beta), batch).by_logp_PGT
    assert torch.allclose(ours, rloo, atol=1e-12)


def test_one_sample_teaches_nothing(batch_of, grad):
    batch = batch_of([[-1.0]], [[3.0]], behaviour=[[-1.5]])
    assert not grad(ProximalRLOO()(batch).value, batch).any()


@pytest.mark.parametrize("settings", [{"beta": -1.0}, {"clip": 0.0}])
def test_wrong_settings_are_refused(settings):
    with pytest.raises(SteelyardError, match="proximal-rloo"):
        ProximalRLOO(**settings)


@pytest.mark.parametrize("nats", [90.0, 1e4])
def test_a_policy_far_from_the_data_gives_a_finite_loss(batch_of, grad, nats):
    # rewards less the mean of the others: 1/2, -1, 1/2; the second is pushed down at the largest ratio, exp(20)
    batch = batch_of([[-1.0, -1.0, -1.0]], [[1.0, 0.0, 1.0]], behaviour=[[-1.0 - nats] * 3])
    loss = ProximalRLOO()(batch)
    assert loss.metrics["objective/clip_share"] == pytest.approx(2 / 3)
    assert grad(loss.value, batch).flatten().tolist() == pytest.approx([0.0, math.exp(20) / 3, 0.0])


def test_equal_rewards_teach_nothing_however_far_the_policy(batch_of, grad):
    batch = batch_of([[-1.0, -1.0]], [[1.0, 1.0]], behaviour=[[-1e4, -1e4]])
    assert not grad(ProximalRLOO()(batch).value, batch).any()
