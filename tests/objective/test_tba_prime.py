import math

import pytest
import torch

from steelyard.check import outcome, random_batch
from steelyard.core import SteelyardError
from steelyard.objective import DrGRPO, TBAPrime, VarGradTB


def test_by_hand(batch_of, grad):
    # ratios to the sampler 2 and 1/2; l = 1 and -1; A = +-(1/2 - 0.1)
    batch = batch_of([[-1.0, -3.0]], [[1.0, 0.0]], ref=[[-2.0, -2.0]],
                     behaviour=[[-1.0 - math.log(2), -3.0 + math.log(2)]])  # fmt: skip
    loss = TBAPrime(beta=0.1)(batch)
    assert grad(loss.value, batch).flatten().tolist() == pytest.approx([-0.4 * 2 / 2, 0.4 * 0.5 / 2])
    assert loss.weight == 1.0
    assert loss.metrics == pytest.approx({"objective/kl": 0.0, "objective/ratio": 1.25, "objective/clamped": 0.0})


def test_a_ratio_is_clamped_but_still_pushes(batch_of, grad):
    batch = batch_of([[-1.0, -1.0]], [[1.0, 0.0]], ref=[[-1.0, -1.0]], behaviour=[[-1.0 - math.log(100), -1.0]])
    loss = TBAPrime()(batch)
    assert grad(loss.value, batch).flatten().tolist() == pytest.approx([-0.5 * 8 / 2, 0.5 / 2])
    assert loss.metrics["objective/clamped"] == 0.5


@pytest.mark.parametrize("beta", [0.05, 0.3])
def test_at_ratio_one_it_is_trajectory_balance_over_two_beta(beta):
    batch = random_batch()
    fresh = batch.replace(logp_behaviour_PGT=batch.logp_PGT)
    ours, tb = outcome(TBAPrime(beta=beta), fresh).by_logp_PGT, outcome(VarGradTB(beta=beta), batch).by_logp_PGT
    assert torch.allclose(2 * beta * ours, tb, atol=1e-12)
    assert tb.abs().max() > 0.01


def test_without_drift_it_is_dr_grpo_unclipped():
    batch = random_batch()
    still = batch.replace(logp_ref_PGT=batch.logp_PGT)
    ours = outcome(TBAPrime(clamp=1e9), still).by_logp_PGT
    assert torch.allclose(ours, outcome(DrGRPO(clip=1e9), still).by_logp_PGT, atol=1e-12)


def test_one_sample_teaches_nothing(batch_of, grad):
    batch = batch_of([[-1.0]], [[3.0]], ref=[[-2.0]], behaviour=[[-1.5]])
    assert not grad(TBAPrime()(batch).value, batch).any()


@pytest.mark.parametrize("settings", [{"beta": 0.0}, {"clamp": 0.0}])
def test_wrong_settings_are_refused(settings):
    with pytest.raises(SteelyardError, match="tba-prime"):
        TBAPrime(**settings)
