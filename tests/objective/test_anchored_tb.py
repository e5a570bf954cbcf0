"""What anchors it: the group's mean under the policy that sampled."""

import pytest
import torch

from steelyard.check import outcome, random_batch
from steelyard.core import Batch
from steelyard.objective import AnchoredTB, VarGradTB


def fresh(batch: Batch) -> Batch:
    """The batch as if the policy as it is now had sampled it."""
    return batch.replace(logp_behaviour_PGT=batch.logp_PGT.detach().clone())


def test_by_hand(batch_of, grad):
    """log pi - log pi_ref 1 and -1, of which the sampler had 2 and 0: d = 0 and -1, c = (1 + 0) / 2 = 1/2."""
    batch = batch_of([[-1.0, -3.0]], [[1.0, 0.0]], ref=[[-2.0, -2.0]], behaviour=[[0.0, -2.0]])
    loss = AnchoredTB(beta=1.0)(batch)
    assert loss.value.item() == pytest.approx((0.5**2 + 1.5**2) / 2)
    assert loss.weight == 1.0
    assert grad(loss.value, batch).flatten().tolist() == pytest.approx([-0.5, -1.5])
    rms = ((0.5**2 + 1.5**2) / 2) ** 0.5
    assert loss.metrics == pytest.approx(
        {"objective/log_z": -0.5, "objective/residual_rms": rms, "objective/kl": 0.0, "objective/moved": -1.0}
    )


def test_on_fresh_data_it_is_vargrad():
    batch = fresh(random_batch())
    ours, published = outcome(AnchoredTB(beta=0.3), batch), outcome(VarGradTB(beta=0.3), batch)
    assert torch.allclose(ours.by_logp_PGT, published.by_logp_PGT, atol=1e-7)
    assert ours.loss.value.item() == pytest.approx(published.loss.value.item(), rel=1e-6)


def test_probability_that_the_samples_lost_together_is_pulled_back():
    """All of a group's log-probabilities fell by 1 since it was sampled: the published loss sees nothing."""
    batch = fresh(random_batch())
    ratio_PG = batch.logp_PGT.sum(-1)
    assert ratio_PG.isfinite().all()
    length_PG1 = (batch.action_PGT & batch.valid_PG[..., None]).sum(-1, keepdim=True).clamp(min=1)
    lost = batch.replace(logp_PGT=batch.logp_PGT - 1.0 / length_PG1)
    before, after = (outcome(VarGradTB(beta=0.3), b).by_logp_PGT for b in (batch, lost))
    assert torch.allclose(before, after, atol=1e-6)
    pulled = outcome(AnchoredTB(beta=0.3), lost).by_logp_PGT - outcome(AnchoredTB(beta=0.3), batch).by_logp_PGT
    several_PG = (batch.valid_PG & (batch.valid_PG.sum(-1, keepdim=True) > 1))[..., None] & batch.action_PGT
    assert (pulled[several_PG] < 0).all()  # the loss falls where the log-probability rises
    assert not pulled[~several_PG].any()


def test_a_sample_alone_teaches_nothing(batch_of, grad):
    batch = batch_of([[-1.0, -3.0]], [[1.0, 0.0]], ref=[[-2.0, -2.0]], behaviour=[[0.0, 0.0]], valid=[[True, False]])
    loss = AnchoredTB(beta=1.0)(batch)
    assert (loss.value.item(), loss.weight) == (0.0, 1.0)
    assert not grad(loss.value, batch).any()
