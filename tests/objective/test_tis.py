import math

import pytest
import torch

from steelyard.check import OBJECTIVE_CHECKS, outcome, random_batch
from steelyard.core import SteelyardError
from steelyard.objective import TIS, TOPR, DrGRPO, TBAPrime
from steelyard.objective.advantage import centred, reward_of
from steelyard.objective.reduce import batch_mean, sum_steps


def textbook(batch, level):
    """-mean_P mean_j of the importance-weighted advantage, by autograd: of each step, or of the whole answer."""
    gap_PGT = batch.logp_PGT - batch.logp_behaviour_PGT
    ratio_PG = sum_steps(gap_PGT.exp(), batch) if level == "token" else sum_steps(gap_PGT, batch).exp()
    return -batch_mean(ratio_PG * centred(reward_of(batch), batch.valid_PG), batch.valid_PG)


def test_by_hand(batch_of, grad):
    # ratios 4, 4, 1/2, 1/2, of which at most 2 counts; A = 1/2 and -1/2 by turns; divided by 4 samples and 10 tokens
    behaviour = [[-1.0 - math.log(4), -1.0 - math.log(4), -1.0 + math.log(2), -1.0 + math.log(2)]]
    batch = batch_of([[-1.0] * 4], [[1.0, 0.0, 1.0, 0.0]], behaviour=behaviour)
    loss = TIS(max_length=10)(batch)
    assert grad(loss.value, batch).flatten().tolist() == pytest.approx([-1 / 40, 1 / 40, -1 / 160, 1 / 160])
    assert loss.metrics == pytest.approx({"objective/ratio": 2.25, "objective/clamped": 0.5})
    assert loss.weight == 1.0


@pytest.mark.parametrize("level", ["token", "sequence"])
@pytest.mark.parametrize("seed", range(3))
def test_without_a_cap_it_is_the_gradient_of_importance_sampling(level, seed):
    batch = random_batch(seed=seed)
    logp_PGT = batch.logp_PGT.clone().requires_grad_()
    expected = torch.autograd.grad(textbook(batch.replace(logp_PGT=logp_PGT), level), logp_PGT)[0]
    got = outcome(TIS(ratio_cap=math.inf, ratio_level=level), batch)
    assert torch.allclose(got.by_logp_PGT, expected, atol=1e-12)
    assert expected.abs().max() > 0.01
    assert got.loss.metrics["objective/clamped"] == 0.0


@pytest.mark.parametrize("level", ["token", "sequence"])
def test_on_fresh_data_it_is_dr_grpo(level):
    batch = random_batch()
    fresh = batch.replace(logp_behaviour_PGT=batch.logp_PGT)
    ours, theirs = outcome(TIS(ratio_level=level, max_length=7), fresh), outcome(DrGRPO(max_length=7), fresh)
    assert torch.allclose(ours.by_logp_PGT, theirs.by_logp_PGT, atol=1e-12)
    assert ours.loss.value.item() == pytest.approx(theirs.loss.value.item())


def test_whole_answers_up_to_one_are_a_taper_on_both_sides():
    # the baseline of TOPR is 1/2, which is the mean of a group with as many right as wrong answers
    batch = random_batch().replace(
        reward_PG=torch.tensor([[1.0, 0.0, 1.0, 0.0]], dtype=torch.float64).expand(5, 4),
        valid_PG=torch.ones(5, 4, dtype=torch.bool),
    )
    ours, topr = outcome(TIS(ratio_cap=1.0, ratio_level="sequence"), batch), outcome(TOPR(positive=(0.0, 1.0)), batch)
    assert torch.allclose(ours.by_logp_PGT, topr.by_logp_PGT, atol=1e-12)
    assert 0 < ours.loss.metrics["objective/clamped"] < 1


def test_of_tba_prime_it_lacks_the_penalty():
    batch = random_batch()
    balanced = batch.replace(logp_ref_PGT=batch.logp_PGT)
    ours, prime = outcome(TIS(ratio_cap=1.1), balanced), outcome(TBAPrime(clamp=1.1), balanced)
    assert torch.allclose(ours.by_logp_PGT, prime.by_logp_PGT, atol=1e-12)
    assert ours.loss.metrics["objective/clamped"] == prime.loss.metrics["objective/clamped"] > 0


@pytest.mark.parametrize("level", ["token", "sequence"])
def test_ratios_stay_finite_without_a_cap(level):
    OBJECTIVE_CHECKS["far-policies"](TIS(ratio_cap=1e9, ratio_level=level))


def test_one_sample_teaches_nothing(batch_of, grad):
    batch = batch_of([[-1.0]], [[3.0]], behaviour=[[-1.5]])
    assert not grad(TIS()(batch).value, batch).any()


@pytest.mark.parametrize("settings", [{"ratio_cap": 0.0}, {"max_length": 0}, {"ratio_level": "word"}])
def test_wrong_settings_are_refused(settings):
    with pytest.raises(SteelyardError, match="tis"):
        TIS(**settings)
