import math

import pytest
import torch

from steelyard.check import outcome, random_batch
from steelyard.core import SteelyardError
from steelyard.objective import DrGRPO
from steelyard.objective.advantage import centred, reward_of
from steelyard.objective.kernels import policy_gradient
from steelyard.objective.reduce import num_prompts, num_samples, sum_steps


def surrogate(batch, clip):
    """The textbook form, by autograd: -mean_P mean_j sum_t min(rho A, clip(rho) A)."""
    advantage_PG1 = centred(reward_of(batch), batch.valid_PG)[..., None]
    ratio_PGT = (batch.logp_PGT - batch.logp_behaviour_PGT).exp()
    least_PGT = torch.minimum(ratio_PGT * advantage_PG1, ratio_PGT.clamp(1 - clip, 1 + clip) * advantage_PG1)
    return -(sum_steps(least_PGT, batch) / num_samples(batch.valid_PG)).sum() / num_prompts(batch.valid_PG)


@pytest.mark.parametrize("clip", [0.05, 0.2, 0.5])
@pytest.mark.parametrize("seed", range(3))
def test_gradient_is_that_of_the_clipped_surrogate(clip, seed):
    batch = random_batch(seed=seed)
    logp_PGT = batch.logp_PGT.clone().requires_grad_()
    textbook = torch.autograd.grad(surrogate(batch.replace(logp_PGT=logp_PGT), clip), logp_PGT)[0]
    got = outcome(DrGRPO(clip=clip), batch)
    assert torch.allclose(got.by_logp_PGT, textbook, atol=1e-12)
    assert textbook.abs().max() > 0.01
    assert clip > 0.4 or 0 < got.loss.metrics["objective/clip_share"] < 1


def test_unclipped_at_ratio_one_it_is_centred_reinforce():
    batch = random_batch()
    fresh = batch.replace(logp_behaviour_PGT=batch.logp_PGT)
    logp_PGT = batch.logp_PGT.clone().requires_grad_()
    advantage_PG = centred(reward_of(batch), batch.valid_PG)
    reinforce = policy_gradient(batch.replace(logp_PGT=logp_PGT), advantage_PG[..., None].expand_as(logp_PGT))
    expected = torch.autograd.grad(reinforce.value, logp_PGT)[0]
    assert torch.allclose(outcome(DrGRPO(clip=1e9), fresh).by_logp_PGT, expected, atol=1e-12)
    assert torch.allclose(outcome(DrGRPO(), fresh).by_logp_PGT, expected, atol=1e-12)


def test_uncorrected_ignores_the_behaviour(batch_of, grad):
    batch = batch_of([[-1.0, -2.0]], [[1.0, 0.0]])
    loss = DrGRPO(importance_ratio=False)(batch)
    assert grad(loss.value, batch).flatten().tolist() == [-0.25, 0.25]
    stale = random_batch().replace(logp_behaviour_PGT=-9 * torch.ones(5, 4, 6, dtype=torch.float64))
    uncorrected = outcome(DrGRPO(importance_ratio=False), stale).by_logp_PGT
    assert torch.equal(uncorrected, outcome(DrGRPO(importance_ratio=False), random_batch()).by_logp_PGT)


def test_by_hand(batch_of, grad):
    # ratios 1.1 and 2: A = 1, -1; neither is clipped, for a negative advantage is clipped below 1 only
    batch = batch_of([[math.log(0.55), math.log(0.5)]], [[2.0, 0.0]], behaviour=[[math.log(0.5), math.log(0.25)]])
    loss = DrGRPO(max_length=10)(batch)
    assert torch.allclose(grad(loss.value, batch).flatten(), torch.tensor([-0.055, 0.1], dtype=torch.float64))
    assert loss.weight == 1.0


def test_length_is_divided_by_a_constant():
    batch = random_batch()
    one, ten = outcome(DrGRPO(), batch), outcome(DrGRPO(max_length=10), batch)
    assert torch.allclose(one.by_logp_PGT, 10 * ten.by_logp_PGT)


def test_standard_deviation_does_not_matter():
    batch = random_batch()
    scaled = batch.replace(reward_PG=3 * batch.reward_PG)
    one, three = outcome(DrGRPO(), batch), outcome(DrGRPO(), scaled)
    assert torch.allclose(3 * one.by_logp_PGT, three.by_logp_PGT)


@pytest.mark.parametrize("settings", [{"clip": 0.0}, {"max_length": 0}])
def test_wrong_settings_are_refused(settings):
    with pytest.raises(SteelyardError, match="dr-grpo"):
        DrGRPO(**settings)
