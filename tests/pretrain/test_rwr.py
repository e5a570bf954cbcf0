import math

import pytest
import torch

from steelyard.check import outcome, random_batch
from steelyard.core import SteelyardError
from steelyard.objective import SFT
from steelyard.objective.reduce import steps_of
from steelyard.pretrain import RWR


def test_by_hand():
    batch = random_batch()
    bad = batch.replace(reward_PGT=-torch.ones_like(batch.logp_PGT))
    got = outcome(RWR(beta=1 / math.log(4)), bad)  # each token counts a quarter
    sft = outcome(SFT(), batch)
    assert got.loss.value.item() == pytest.approx(sft.loss.value.item() / 4)
    assert torch.allclose(got.by_logp_PGT, sft.by_logp_PGT / 4)
    assert got.loss.metrics["objective/weight"] == pytest.approx(0.25)


def test_hot_or_harmless_it_is_sft():
    batch = random_batch()
    sft = outcome(SFT(), batch)
    assert torch.allclose(outcome(RWR(beta=1e9), batch).by_logp_PGT, sft.by_logp_PGT)
    harmless = batch.replace(reward_PGT=torch.zeros_like(batch.logp_PGT))
    assert torch.allclose(outcome(RWR(beta=0.1), harmless).by_logp_PGT, sft.by_logp_PGT)


def test_cold_it_keeps_the_good_tokens_alone_and_no_weight_passes_the_bound():
    batch = random_batch()
    good_PGT = (batch.reward_PGT >= 0) & steps_of(batch)
    got = outcome(RWR(beta=1e-6, max_weight=7.0), batch.replace(reward_PGT=batch.reward_PGT.clamp(min=-1)))
    expected = -7.0 * good_PGT / steps_of(batch).sum()
    assert torch.allclose(got.by_logp_PGT, expected.double())


@pytest.mark.parametrize("settings", [{"beta": 0.0}, {"max_weight": 0.0}])
def test_wrong_settings_are_refused(settings):
    with pytest.raises(SteelyardError, match="rwr"):
        RWR(**settings)
