import pytest
import torch

from steelyard.check import random_batch
from steelyard.core import SteelyardError
from steelyard.objective import RLOO, DrGRPO

CENTRED = DrGRPO(importance_ratio=False)


def test_by_hand(batch_of, grad):
    batch = batch_of([[-1.0, -2.0, -3.0]], [[1.0, 2.0, 6.0]])
    loss = RLOO()(batch)
    # A = -3, -1.5, 4.5; gradient -A / 3
    assert grad(loss.value, batch).flatten().tolist() == [1.0, 0.5, -1.5]
    assert loss.value.item() == pytest.approx(-(3 + 3 - 13.5) / 3)
    assert loss.metrics == {"objective/shaped_reward": 3.0}


def test_it_is_g_over_g_minus_one_times_the_mean_baseline(grad):
    batch = random_batch().prompts(torch.tensor([0, 4]))
    batch = batch.replace(logp_PGT=batch.logp_PGT.requires_grad_())
    G = batch.valid_PG.shape[1]
    rloo, centred = grad(RLOO()(batch).value, batch), grad(CENTRED(batch).value, batch)
    assert torch.allclose(rloo, G / (G - 1) * centred)
    assert rloo.abs().max() > 0.01


def test_the_factor_counts_valid_samples_only(grad):
    batch = random_batch().prompts(slice(1, 2))
    batch = batch.replace(logp_PGT=batch.logp_PGT.requires_grad_())
    assert torch.allclose(grad(RLOO()(batch).value, batch), 3 / 2 * grad(CENTRED(batch).value, batch))


def test_a_lonely_sample_has_no_advantage(batch_of, grad):
    batch = batch_of([[-1.0, -2.0]], [[5.0, 1.0]], valid=[[True, False]])
    assert not grad(RLOO()(batch).value, batch).any()


def test_beta_shapes_the_reward(batch_of, grad):
    batch = batch_of([[-1.0, -3.0]], [[1.0, 0.0]], ref=[[-2.0, -2.0]])
    # R = 1 - 0.5 and 0 + 0.5: nothing left to learn
    assert not grad(RLOO(beta=0.5)(batch).value, batch).any()
    with pytest.raises(SteelyardError, match=r"rloo\.beta"):
        RLOO(beta=-1.0)
