import math

import pytest
import torch

from steelyard.check import OBJECTIVE_CHECKS, outcome, random_batch
from steelyard.core import SteelyardError
from steelyard.objective import GRPO, IcePop, Unified


def test_by_hand(batch_of, grad):
    # ratios 8, 2, 5/8 and 1/4: the first and the last are masked; A = 1 and -1 by turns, four samples
    behaviour = [[-1.0 - math.log(ratio) for ratio in (8, 2, 0.625, 0.25)]]
    batch = batch_of([[-1.0] * 4], [[1.0, 0.0, 1.0, 0.0]], behaviour=behaviour)
    loss = IcePop()(batch)
    assert grad(loss.value, batch).flatten().tolist() == pytest.approx([0.0, 0.5, -0.15625, 0.0], rel=1e-3)
    assert loss.metrics == pytest.approx({"objective/ratio": 2.71875, "objective/masked_share": 0.5})
    assert loss.weight == 1.0


def test_a_masked_step_leaves_the_others_as_they_are():
    batch = random_batch()
    whole, some = outcome(IcePop(ratio_low=0.0, ratio_high=1e9), batch), outcome(IcePop(ratio_low=0.9), batch)
    kept_PGT = some.by_logp_PGT != 0
    assert 0 < kept_PGT.sum() < (whole.by_logp_PGT != 0).sum()
    assert torch.equal(some.by_logp_PGT[kept_PGT], whole.by_logp_PGT[kept_PGT])
    assert whole.loss.metrics["objective/masked_share"] == 0.0


@pytest.mark.parametrize("seed", range(3))
def test_without_bounds_it_is_importance_sampling(seed):
    batch = random_batch(seed=seed)
    ours = outcome(IcePop(ratio_low=0.0, ratio_high=math.inf), batch)
    assert torch.allclose(ours.by_logp_PGT, outcome(Unified(stable="all"), batch).by_logp_PGT, atol=1e-12)


def test_on_fresh_data_it_is_grpo():
    batch = random_batch()
    fresh = batch.replace(logp_behaviour_PGT=batch.logp_PGT)
    ours, grpo = outcome(IcePop(), fresh), outcome(GRPO(), fresh)
    assert torch.allclose(ours.by_logp_PGT, grpo.by_logp_PGT, atol=1e-12)
    assert ours.loss.value.item() == pytest.approx(grpo.loss.value.item())


def test_where_all_is_masked_nothing_is_learned():
    got = outcome(IcePop(ratio_low=1e3, ratio_high=1e4), random_batch())
    assert not got.by_logp_PGT.any()
    assert got.loss.weight > 0
    assert got.loss.metrics["objective/masked_share"] == pytest.approx(1.0)


def test_ratios_stay_finite_without_bounds():
    OBJECTIVE_CHECKS["far-policies"](IcePop(ratio_low=0.0, ratio_high=1e9))


@pytest.mark.parametrize("settings", [{"ratio_low": -0.1}, {"ratio_high": 0.0}, {"ratio_low": 2.0, "ratio_high": 1.0}])
def test_wrong_settings_are_refused(settings):
    with pytest.raises(SteelyardError, match="icepop"):
        IcePop(**settings)
