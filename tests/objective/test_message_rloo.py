import pytest
import torch

from steelyard.check import outcome, random_batch
from steelyard.core import Batch, SteelyardError, needs_of
from steelyard.objective import RLOO, MessageRLOO


def batch_of(rewards, logp=None, ref=None, valid=None, action=None):
    """One prompt whose samples have these rewards at each token."""
    reward_PGT = torch.tensor([rewards], dtype=torch.float64)
    logp_PGT = -torch.ones_like(reward_PGT) if logp is None else torch.tensor([logp], dtype=torch.float64)
    return Batch(
        logp_PGT=logp_PGT.requires_grad_(),
        action_PGT=torch.ones_like(reward_PGT, dtype=torch.bool) if action is None else torch.tensor([action]),
        valid_PG=torch.ones(reward_PGT.shape[:2], dtype=torch.bool) if valid is None else torch.tensor([valid]),
        reward_PG=torch.zeros(reward_PGT.shape[:2], dtype=torch.float64),
        reward_PGT=reward_PGT,
        logp_ref_PGT=None if ref is None else torch.tensor([ref], dtype=torch.float64),
    )


def weights(objective, batch):
    """A at each token: minus the gradient, times the number of samples."""
    loss = objective(batch)
    by_PGT = torch.autograd.grad(loss.value, batch.logp_PGT)[0]
    return (-by_PGT * batch.valid_PG.sum()).tolist()[0]


def test_each_message_is_compared_with_its_role_in_other_samples():
    # sample 0: proposal -1 (two tokens), verification +1, proposal +1, and one token that no reward follows
    # sample 1: proposal +1, verification -1 (three tokens)
    batch = batch_of([[0.0, -1.0, 1.0, 1.0, 0.0], [1.0, 0.0, 0.0, -1.0, 0.0]])
    found = weights(MessageRLOO(), batch)
    # proposals of 0 against +1 of 1: -2, 0; of 1 against the mean 0 of -1 and +1: 1. Verifications: 2, -2.
    assert found == [[-2.0, -2.0, 2.0, 0.0, 0.0], [1.0, -2.0, -2.0, -2.0, 0.0]]
    loss = MessageRLOO()(batch)
    assert loss.value.item() == pytest.approx(-((-2 - 2 + 2) * -1 + (1 - 6) * -1) / 2)
    assert loss.metrics == {"objective/messages": 2.5, "objective/message_reward": (1 / 3 + 0) / 2}


def test_with_one_role_all_messages_are_compared():
    batch = batch_of([[-1.0, 1.0], [1.0, 1.0]])
    assert weights(MessageRLOO(roles=1), batch) == [[-2.0, 0.0], [1.0, 1.0]]


def test_a_message_without_another_of_its_role_is_not_learned():
    batch = batch_of([[1.0, -1.0], [0.0, -1.0]])
    assert weights(MessageRLOO(), batch) == [[2.0, 0.0], [-2.0, -2.0]]
    lonely = batch_of([[1.0, -1.0], [1.0, 1.0]], valid=[True, False])
    assert not torch.autograd.grad(MessageRLOO()(lonely).value, lonely.logp_PGT)[0].any()


def test_beta_shapes_each_message_by_its_own_tokens():
    # log-ratios: 1 and 2 in the first sample's messages, 0 in the second's
    batch = batch_of([[1.0, 1.0], [1.0, 1.0]], logp=[[-1.0, -1.0], [-2.0, -3.0]], ref=[[-2.0, -3.0], [-2.0, -3.0]])
    assert weights(MessageRLOO(beta=0.5), batch) == [[-0.5, -1.0], [0.5, 1.0]]


@pytest.mark.parametrize("beta", [0.0, 0.3])
def test_with_one_message_in_every_sample_it_is_rloo(beta):
    batch = random_batch()
    last_PGT = batch.action_PGT & (batch.action_PGT.flip(-1).cumsum(-1).flip(-1) == 1)
    one = batch.replace(reward_PGT=batch.reward_PG[..., None] * last_PGT)
    ours = outcome(MessageRLOO(beta=beta), one)
    rloo = outcome(RLOO(beta=beta), batch)
    assert torch.allclose(ours.by_logp_PGT, rloo.by_logp_PGT)
    assert ours.loss.value.item() == pytest.approx(rloo.loss.value.item())
    assert rloo.by_logp_PGT.abs().max() > 0.01


def test_it_needs_rewards_of_messages_and_the_reference_only_with_beta():
    assert needs_of(MessageRLOO()).fields == ("reward_PGT",)
    assert needs_of(MessageRLOO(beta=0.1)).fields == ("reward_PGT", "logp_ref_PGT")
    with pytest.raises(ValueError, match="reward_PGT"):
        MessageRLOO()(random_batch().replace(reward_PGT=None))
    with pytest.raises(SteelyardError, match=r"message-rloo\.roles"):
        MessageRLOO(roles=0)
