"""What weighs its samples: how likely they still are under the policy as it is now."""

import math

import pytest
import torch

from steelyard.check import outcome, random_batch
from steelyard.core import Batch
from steelyard.objective import VarGradTB, WeightedTB


def fresh(batch: Batch) -> Batch:
    """The batch as if the policy as it is now had sampled it."""
    return batch.replace(logp_behaviour_PGT=batch.logp_PGT.detach().clone())


def test_by_hand(batch_of, grad):
    """The first sample is as likely as it was, the second has a third: d = 0 and -1, c = (0 - 1/3) / (4/3) = -1/4."""
    then = [[-1.0, -3.0 + math.log(3)]]
    batch = batch_of([[-1.0, -3.0]], [[1.0, 0.0]], ref=[[-2.0, -2.0]], behaviour=then)
    loss = WeightedTB(beta=1.0)(batch)
    assert loss.value.item() == pytest.approx((1 * 0.25**2 + (1 / 3) * 0.75**2) / 2)
    assert loss.weight == 1.0
    assert grad(loss.value, batch).flatten().tolist() == pytest.approx([0.25, -0.25])
    assert loss.metrics == pytest.approx(
        {"objective/log_z": 0.25, "objective/weight": 2 / 3, "objective/clamped": 0.0, "objective/kl": 0.0}
    )


def test_on_fresh_data_it_is_vargrad():
    batch = fresh(random_batch())
    ours, published = outcome(WeightedTB(beta=0.3), batch), outcome(VarGradTB(beta=0.3), batch)
    assert torch.allclose(ours.by_logp_PGT, published.by_logp_PGT, atol=1e-7)
    assert ours.loss.value.item() == pytest.approx(published.loss.value.item(), rel=1e-6)


def test_a_weight_is_truncated_and_counted(batch_of):
    batch = batch_of([[-1.0, -3.0]], [[1.0, 0.0]], ref=[[-2.0, -2.0]], behaviour=[[-9.0, -3.0]])
    loss = WeightedTB(beta=1.0, ratio_cap=3.0)(batch)
    assert loss.metrics["objective/weight"] == pytest.approx(2.0)
    assert loss.metrics["objective/clamped"] == 0.5


def test_what_the_policy_has_left_behind_moves_nothing(batch_of, grad):
    """A sample that is e^-30 times as likely as when it was drawn: the others learn as if it were not there."""
    rows = ([[-1.0, -3.0, -40.0]], [[1.0, 0.0, 1.0]])
    ref, then = [[-2.0, -2.0, -2.0]], [[-1.0, -3.0, -10.0]]
    batch = batch_of(*rows, ref=ref, behaviour=then)
    pulled = grad(WeightedTB(beta=1.0)(batch).value, batch).flatten().tolist()
    two = batch_of([[-1.0, -3.0]], [[1.0, 0.0]], ref=[[-2.0, -2.0]], behaviour=[[-1.0, -3.0]])
    without = grad(WeightedTB(beta=1.0)(two).value, two).flatten().tolist()
    assert pulled[:2] == pytest.approx([2 / 3 * one for one in without])  # the mean is over three samples
    assert pulled[2] == pytest.approx(0.0, abs=1e-9)


def test_at_the_target_nothing_is_learned_whoever_sampled(batch_of, grad):
    """log pi - log pi_ref = r - log Z at beta 1, for any sampler."""
    batch = batch_of([[-1.5, -2.5]], [[1.0, 0.0]], ref=[[-2.0, -2.0]], behaviour=[[-6.0, -0.1]])
    loss = WeightedTB(beta=1.0)(batch)
    assert loss.value.item() == pytest.approx(0.0, abs=1e-12)
    assert grad(loss.value, batch).abs().max() < 1e-9


def test_a_group_without_weight_has_a_finite_loss(batch_of, grad):
    batch = batch_of([[-900.0, -800.0]], [[1.0, 0.0]], ref=[[-2.0, -2.0]], behaviour=[[-1.0, -1.0]])
    loss = WeightedTB(beta=1.0)(batch)
    assert loss.value.item() == 0.0
    assert not grad(loss.value, batch).any()


def test_a_sample_alone_teaches_nothing(batch_of, grad):
    batch = batch_of([[-1.0, -3.0]], [[1.0, 0.0]], ref=[[-2.0, -2.0]], behaviour=[[0.0, 0.0]], valid=[[True, False]])
    loss = WeightedTB(beta=1.0)(batch)
    assert (loss.value.item(), loss.weight) == (0.0, 1.0)
    assert not grad(loss.value, batch).any()
