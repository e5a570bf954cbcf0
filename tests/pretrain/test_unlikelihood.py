import math

import pytest
import torch

from steelyard.check import outcome, random_batch
from steelyard.core import SteelyardError
from steelyard.objective import SFT
from steelyard.pretrain import Unlikelihood


def test_by_hand():
    batch = random_batch().prompts(slice(0, 1))
    third = batch.replace(logp_PGT=torch.full_like(batch.logp_PGT, math.log(1 / 3)))
    good, bad = torch.zeros_like(batch.logp_PGT), -torch.ones_like(batch.logp_PGT)
    assert outcome(Unlikelihood(), third.replace(reward_PGT=good)).loss.value.item() == pytest.approx(math.log(3))
    got = outcome(Unlikelihood(alpha=2.0), third.replace(reward_PGT=bad))
    assert got.loss.value.item() == pytest.approx(2 * math.log(3 / 2))
    # d/dlogp of - 2 log(1 - p) is 2 p / (1 - p) = 1, over the number of tokens
    assert torch.allclose(got.by_logp_PGT[batch.action_PGT] * got.loss.weight, torch.ones(1, dtype=torch.float64))
    assert got.loss.metrics == {"objective/undesirable": 1.0}


def test_without_bad_tokens_it_is_sft():
    batch = random_batch()
    clean = batch.replace(reward_PGT=torch.zeros_like(batch.logp_PGT))
    unlikelihood, sft = outcome(Unlikelihood(), clean), outcome(SFT(), clean)
    assert unlikelihood.loss.value.item() == pytest.approx(sft.loss.value.item())
    assert torch.allclose(unlikelihood.by_logp_PGT, sft.by_logp_PGT)


@pytest.mark.parametrize("logp", [0.0, -1e-9, -100.0])
def test_certain_and_impossible_tokens_stay_finite(logp):
    batch = random_batch()
    sure = batch.replace(logp_PGT=torch.full_like(batch.logp_PGT, logp), reward_PGT=-torch.ones_like(batch.logp_PGT))
    got = outcome(Unlikelihood(), sure)
    assert got.loss.value.isfinite() and got.by_logp_PGT.isfinite().all()


def test_wrong_alpha_is_refused():
    with pytest.raises(SteelyardError, match=r"unlikelihood\.alpha"):
        Unlikelihood(alpha=-1.0)
