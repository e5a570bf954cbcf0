import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steelyard.check import outcome, random_batch
from steelyard.core import SteelyardError
from steelyard.objective import KTO
from steelyard.objective.kto import others_mean


def test_by_hand(batch_of, grad):
    # scores 2 and 1, so z is 1 for the first and 2 for the second; 1 - sigma(ln 3) = 1/4 on either side
    batch = batch_of([[-1.0, -3.0]], [[1.0, 0.0]], ref=[[-3.0, -4.0]])
    loss = KTO(beta=math.log(3), undesirable_weight=2.0)(batch)
    assert loss.value.item() == pytest.approx((1 / 4 + 2 / 4) / 2)
    slope = math.log(3) * 3 / 16 / 2
    assert grad(loss.value, batch).flatten().tolist() == pytest.approx([-slope, 2 * slope])
    assert loss.metrics == {"objective/desirable": 0.5, "objective/kl": 1.5, "objective/z0": 1.5}


@pytest.mark.parametrize("seed", range(3))
def test_given_the_reference_point_it_is_the_formula_of_trl(batch_of, seed):
    """TRL's KTO trainer: 1 - sigmoid(beta (logratio - kl)) where chosen, 1 - sigmoid(beta (kl - logratio)) else."""
    draw = torch.Generator().manual_seed(seed)
    logratio_PG = torch.randn(8, 2, generator=draw, dtype=torch.float64)
    chosen_PG = torch.rand(8, 2, generator=draw) < 0.5
    batch = batch_of(logratio_PG.tolist(), chosen_PG.double().tolist(), ref=torch.zeros(8, 2).tolist())
    kl_PG = logratio_PG.flip(1).clamp(min=0)  # in a pair, the other's log-ratio
    chosen_PG_loss = 1.5 * (1 - torch.sigmoid(0.3 * (logratio_PG - kl_PG)))
    rejected_PG_loss = 0.8 * (1 - torch.sigmoid(0.3 * (kl_PG - logratio_PG)))
    expected = torch.where(chosen_PG, chosen_PG_loss, rejected_PG_loss).mean()
    loss = KTO(beta=0.3, desirable_weight=1.5, undesirable_weight=0.8)(batch)
    assert loss.value.item() == pytest.approx(expected.item())


def test_at_the_reference_its_gradient_is_centred_reinforce_on_signs(batch_of, grad):
    """All scores are 0, so sigma' = 1/4 everywhere: - beta / 4 for a good sample, + beta / 4 for a bad one."""
    batch = batch_of([[-1.0, -2.0, -3.0, -4.0]], [[1.0, 0.0, 0.0, 1.0]], ref=[[-1.0, -2.0, -3.0, -4.0]])
    loss = KTO(beta=0.4)(batch)
    assert loss.value.item() == 0.5
    assert grad(loss.value, batch).flatten().tolist() == pytest.approx([-0.025, 0.025, 0.025, -0.025])


def test_a_sample_alone_has_the_reference_point_zero(batch_of, grad):
    batch = batch_of([[-1.0, -5.0]], [[1.0, 1.0]], ref=[[-3.0, 0.0]], valid=[[True, False]])
    loss = KTO(beta=0.5)(batch)
    assert loss.value.item() == pytest.approx(1 - 1 / (1 + math.exp(-1.0)))
    assert loss.metrics["objective/z0"] == 0.0
    assert grad(loss.value, batch).flatten()[1] == 0.0


@given(st.floats(-30, 30), st.floats(-30, 30), st.booleans())
def test_bounded_and_monotone(one, other, desirable):
    """Between 0 and lambda, falling in the score of a desirable sample and rising in that of an undesirable one."""
    batch = random_batch(2).prompts(slice(0, 1))
    shifts = torch.tensor([[[one], [other]]], dtype=torch.float64)
    reward_PG = torch.full((1, 2), float(desirable), dtype=torch.float64)
    moved = batch.replace(logp_PGT=batch.logp_ref_PGT + shifts * batch.action_PGT, reward_PG=reward_PG)
    got = outcome(KTO(beta=0.1), moved)
    assert 0 <= got.loss.value.item() <= 1
    assert (got.by_logp_PGT * (-1 if desirable else 1)).min() >= 0


def test_reference_points_by_hand():
    sums_PG, counts_PG = torch.tensor([[3.0, -1.0, 5.0]], requires_grad=True), torch.tensor([[1.0, 1.0, 2.0]])
    z_PG = others_mean(sums_PG, counts_PG)
    assert z_PG[0].tolist() == pytest.approx([4 / 3, 8 / 3, 1.0])
    assert not z_PG.requires_grad


@pytest.mark.parametrize("settings", [{"beta": 0.0}, {"desirable_weight": -1.0}, {"undesirable_weight": -0.1}])
def test_wrong_settings_are_refused(settings):
    with pytest.raises(SteelyardError, match="kto"):
        KTO(**settings)
