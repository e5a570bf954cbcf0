import math

import torch

from steelyard.check import random_batch
from steelyard.objective import contrast, one_sided, policy_gradient, squared_residual, weighted_likelihood
from steelyard.objective.reduce import steps_of

NAN = float("nan")


def test_weighted_likelihood_by_hand(batch_of, grad):
    batch = batch_of([[-1.0, -2.0], [-3.0, -4.0]])
    weight_PGT = torch.tensor([[[1.0], [2.0]], [[-1.0], [0.5]]], dtype=torch.float64)
    loss = weighted_likelihood(batch, weight_PGT, normaliser=4.0)
    assert loss.value.item() == -(-1 - 4 + 3 - 2) / 4
    assert loss.weight == 4.0
    assert grad(loss.value, batch).flatten().tolist() == [-0.25, -0.5, 0.25, -0.125]


def test_no_gradient_through_the_weights(batch_of, grad):
    batch = batch_of([[-1.0, -2.0]])
    loss = weighted_likelihood(batch, batch.logp_PGT.exp(), normaliser=1.0)
    assert torch.allclose(grad(loss.value, batch), -batch.logp_PGT.detach().exp())


def test_weights_outside_the_mask_may_be_nan():
    batch = random_batch()
    logp_PGT = batch.logp_PGT.clone().requires_grad_()
    weight_PGT = torch.ones_like(logp_PGT).where(steps_of(batch), NAN)
    loss = weighted_likelihood(batch.replace(logp_PGT=logp_PGT), weight_PGT, normaliser=2.0)
    loss.value.backward()
    assert torch.equal(logp_PGT.grad, steps_of(batch) * -0.5)


def test_policy_gradient_averages_within_prompts_first(batch_of, grad):
    batch = batch_of([[-1.0, -1.0], [-1.0, -1.0]], valid=[[True, False], [True, True]])
    loss = policy_gradient(batch, torch.ones_like(batch.logp_PGT))
    assert loss.weight == 2.0
    assert grad(loss.value, batch).flatten().tolist() == [-0.5, 0.0, -0.25, -0.25]


def test_squared_residual_by_hand():
    residual_PK = torch.tensor([[1.0, 3.0], [2.0, NAN]], requires_grad=True)
    loss = squared_residual(residual_PK, torch.tensor([[True, True], [True, False]]))
    loss.value.backward()
    assert loss.value.item() == (5 + 4) / 2
    assert loss.weight == 2.0
    assert residual_PK.grad.tolist() == [[0.5, 1.5], [2.0, 0.0]]


def test_contrast_by_hand():
    chosen_PK, rejected_PK = torch.tensor([[2.0], [NAN]]), torch.tensor([[1.0], [0.0]])
    loss = contrast(chosen_PK, rejected_PK, torch.tensor([[True], [False]]), beta=math.log(3))
    assert math.isclose(loss.value.item(), -math.log(3 / 4), rel_tol=1e-6)
    assert loss.weight == 1.0


def test_contrast_stays_finite_far_from_the_boundary():
    chosen_PK = torch.tensor([[-1e4]], requires_grad=True)
    loss = contrast(chosen_PK, torch.zeros(1, 1), torch.tensor([[True]]), beta=1.0)
    loss.value.backward()
    assert loss.value.item() == 1e4
    assert chosen_PK.grad.item() == -1.0


def test_one_sided_by_hand():
    score_K = torch.tensor([2.0, 2.0], requires_grad=True)
    wanted_K, beta = torch.tensor([True, False]), math.log(3)
    for log, (kept, lost) in {True: (-math.log(3 / 4), -math.log(1 / 4)), False: (1 / 4, 3 / 4)}.items():
        loss_K = one_sided(score_K, 1.0, wanted_K, beta=beta, log=log)
        assert torch.allclose(loss_K, torch.tensor([kept, lost]))
    slope_K = torch.autograd.grad(one_sided(score_K, score_K - 1, wanted_K, beta=beta, log=False).sum(), score_K)[0]
    assert torch.allclose(slope_K, beta * 3 / 16 * torch.tensor([-1.0, 1.0]))  # none passes through the reference
    assert one_sided(score_K, 0.0, False, beta=1.0).equal(one_sided(-score_K, 0.0, True, beta=1.0))


def test_nothing_to_learn_weighs_nothing(batch_of, grad):
    batch = batch_of([[-1.0, -2.0]], valid=[[False, False]])
    loss = policy_gradient(batch, batch.logp_PGT / 0)
    assert (loss.value.item(), loss.weight) == (0, 0)
    assert not grad(loss.value, batch).any()
