import torch

from steelyard.check import outcome, random_batch
from steelyard.objective import SFT
from steelyard.objective.reduce import steps_of


def test_mean_over_all_tokens(batch_of, grad):
    batch = batch_of([[-1.0, -2.0], [-6.0, -9.0]], valid=[[True, True], [True, False]])
    loss = SFT()(batch)
    assert loss.value.item() == 3.0
    assert loss.weight == 3.0
    assert torch.allclose(grad(loss.value, batch).flatten(), -torch.tensor([1.0, 1.0, 1.0, 0.0]).double() / 3)


def test_long_answers_count_more():
    batch = random_batch()
    got = outcome(SFT(), batch)
    assert got.loss.weight == steps_of(batch).sum()
    assert torch.allclose(got.by_logp_PGT, -steps_of(batch).double() / got.loss.weight)


def test_rewards_are_not_read():
    batch = random_batch()
    assert SFT()(batch.replace(reward_PG=None)).value.equal(SFT()(batch).value)
