import math

import pytest
import torch

from steelyard.check import outcome, random_batch
from steelyard.core import Batch
from steelyard.objective import AsymmetricReinforce, DrGRPO


def test_by_hand(batch_of, grad):
    # mean 1/2, V = .4: A = .6 twice and -.4 twice, over a group of four.
    batch = batch_of([[-1.0, -2.0, -3.0, -4.0]], [[1.0, 1.0, 0.0, 0.0]])
    loss = AsymmetricReinforce()(batch)
    assert grad(loss.value, batch).flatten().tolist() == pytest.approx([-0.15, -0.15, 0.1, 0.1])
    assert loss.metrics == pytest.approx({"objective/baseline": 0.4, "objective/negative": 0.5})


@pytest.mark.parametrize("seed", range(3))
def test_without_a_shift_it_is_dr_grpo_that_takes_old_data_for_fresh(seed):
    batch = random_batch(seed=seed)
    known = outcome(DrGRPO(importance_ratio=False), batch)
    ours = outcome(AsymmetricReinforce(shift=0.0), batch)
    assert torch.equal(ours.by_logp_PGT, known.by_logp_PGT)
    assert torch.equal(ours.loss.value, known.loss.value)


def test_far_below_the_mean_it_is_imitation(batch_of, grad):
    batch = batch_of([[-1.0, -2.0]], [[1.0, 0.0]])
    far = grad(AsymmetricReinforce(shift=-1e6)(batch).value, batch) / 1e6
    assert far.flatten().tolist() == pytest.approx([-0.5, -0.5], rel=1e-5)


def test_equal_rewards_are_imitated_by_the_shift(batch_of, grad):
    wrong = batch_of([[-1.0, -2.0]], [[0.0, 0.0]])
    assert grad(AsymmetricReinforce()(wrong).value, wrong).flatten().tolist() == pytest.approx([-0.05, -0.05])
    alone = batch_of([[-1.0, -2.0]], [[1.0, 0.0]], valid=[[True, False]])
    assert grad(AsymmetricReinforce()(alone).value, alone).flatten().tolist() == pytest.approx([-0.1, 0.0])


@pytest.mark.parametrize(("shift", "least"), [(-0.1, 0.5), (0.0, 1 / (1 + math.exp(0.3))), (0.1, 0.0)])
def test_below_the_mean_reward_the_policy_keeps_its_breadth(shift, least):
    """A bandit whose actions all were sampled equally often, two of them right and .3 nats apart.

    The logits' difference d moves by shift (pi_1 - pi_2): to 0 below the mean reward, not at all there, and away above.
    """
    logits = torch.tensor([0.3, 0.0, 0.2, 0.1], dtype=torch.float64)
    every_PGT = torch.ones(1, 4, 1, dtype=torch.bool)
    reward_PG = torch.tensor([[1.0, 1.0, 0.0, 0.0]], dtype=torch.float64)
    for _ in range(400):
        logits.requires_grad_()
        logp_PGT = logits.log_softmax(-1)[None, :, None]
        batch = Batch(logp_PGT=logp_PGT, action_PGT=every_PGT, valid_PG=every_PGT[..., 0], reward_PG=reward_PG)
        (by,) = torch.autograd.grad(AsymmetricReinforce(shift=shift)(batch).value, logits)
        logits = logits.detach() - 2.0 * by
    right = logits.softmax(-1)[:2]
    assert right.sum().item() == pytest.approx(1.0)
    assert right.min().item() == pytest.approx(least, abs=1e-6)
