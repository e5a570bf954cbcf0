import math

import pytest
import torch

from steelyard.check import outcome, random_batch
from steelyard.core import SteelyardError
from steelyard.objective import SFT
from steelyard.pretrain import AWR, RWR


def _filled(batch, reward, value):
    def full(x):
        return torch.full_like(batch.logp_PGT, x)

    return batch.replace(reward_PGT=full(reward), value_PGT=full(value))


def test_by_hand():
    batch = random_batch()
    got = outcome(AWR(beta=1 / math.log(4), alpha=0.25), _filled(batch, -1.0, -0.5))
    sft = outcome(SFT(), batch)
    # A = -1/2, so each token counts 4^(-1/2) = 1/2; the value is off by 1/2
    assert got.loss.value.item() == pytest.approx(0.25 * sft.loss.value.item() / 2 + 0.75 * 0.25)
    assert torch.allclose(got.by_logp_PGT, 0.25 * sft.by_logp_PGT / 2)
    assert got.loss.metrics == pytest.approx({"objective/weight": 0.5, "objective/value_error": 0.25})


def test_alone_and_with_value_zero_it_is_rwr():
    batch = random_batch()
    flat = batch.replace(value_PGT=torch.zeros_like(batch.logp_PGT))
    awr, rwr = outcome(AWR(beta=0.7, alpha=1.0), flat), outcome(RWR(beta=0.7), flat)
    assert awr.loss.value.item() == pytest.approx(rwr.loss.value.item())
    assert torch.allclose(awr.by_logp_PGT, rwr.by_logp_PGT)


def test_the_value_learns_the_reward_and_the_weights_pass_no_gradient_to_it():
    batch = random_batch()
    value_PGT = batch.value_PGT.clone().requires_grad_()
    loss = AWR(alpha=0.5)(batch.replace(value_PGT=value_PGT))
    (slope_PGT,) = torch.autograd.grad(loss.value, value_PGT)
    on_PGT = batch.action_PGT & batch.valid_PG[..., None]
    expected = 0.5 * 2 * (batch.value_PGT - batch.reward_PGT).where(on_PGT, 0.0) / loss.weight
    assert torch.allclose(slope_PGT, expected)


def test_the_head_begins_at_a_half_and_stays_within_minus_one_and_zero():
    head = AWR.needs.value(3)
    assert head(torch.randn(4, 3)).tolist() == [-0.5] * 4
    torch.nn.init.normal_(head.linear.linear.weight, std=9.0)
    value = head(torch.randn(50, 3))
    assert ((value >= -1) & (value <= 0)).all()


def test_missing_values_and_wrong_settings_are_named():
    with pytest.raises(ValueError, match="value_PGT"):
        AWR()(random_batch().replace(value_PGT=None))
    for settings in ({"beta": 0.0}, {"alpha": 1.5}, {"max_weight": 0.0}):
        with pytest.raises(SteelyardError, match="awr"):
            AWR(**settings)
