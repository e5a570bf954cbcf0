import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steelyard.check import OBJECTIVE_CHECKS, outcome, random_batch
from steelyard.core import Batch, SteelyardError
from steelyard.objective import CISPO, GRPO, Unified
from steelyard.objective.advantage import reward_of, standardised
from steelyard.objective.reduce import num_prompts, steps_of, sum_steps


def textbook(batch):
    """-mean over prompts of the importance-weighted advantages' sum over tokens, divided by their number."""
    advantage_PG = standardised(reward_of(batch), batch.valid_PG, 1e-4)
    ratio_PG = sum_steps((batch.logp_PGT - batch.logp_behaviour_PGT).exp(), batch)
    num_P = steps_of(batch).sum((-2, -1)).clamp(min=1)
    return -((ratio_PG * advantage_PG).sum(-1) / num_P).sum() / num_prompts(batch.valid_PG)


def equally_long(seed=0):
    batch = random_batch(seed=seed)
    return batch.replace(action_PGT=torch.ones_like(batch.action_PGT))


def test_by_hand(batch_of, grad):
    # ratios 8 and 1/2, of which the first weighs 1 + 4; A = 1 and -1; two tokens
    behaviour = [[-1.0 - math.log(8), -1.0 + math.log(2)]]
    batch = batch_of([[-1.0, -1.0]], [[1.0, 0.0]], behaviour=behaviour)
    loss = CISPO()(batch)
    assert grad(loss.value, batch).flatten().tolist() == pytest.approx([-2.5, 0.25], rel=1e-3)
    assert loss.metrics == pytest.approx({"objective/ratio": 4.25, "objective/clamped": 0.5})
    low = CISPO(clip_low=0.2)(batch)
    assert grad(low.value, batch).flatten().tolist() == pytest.approx([-2.5, 0.4], rel=1e-3)
    assert low.metrics["objective/clamped"] == 1.0


def test_every_token_of_a_prompt_weighs_the_same():
    # a fresh prompt: a step's gradient is the advantage divided by the tokens of all its valid answers
    batch = random_batch().prompts(slice(0, 1))
    got_PGT = outcome(CISPO(), batch.replace(logp_behaviour_PGT=batch.logp_PGT)).by_logp_PGT
    advantage_PG1 = standardised(reward_of(batch), batch.valid_PG, 1e-4)[..., None]
    expected_PGT = -advantage_PG1 / steps_of(batch).sum()
    assert torch.allclose(got_PGT, expected_PGT.where(steps_of(batch), 0.0), atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_without_bounds_it_is_the_gradient_of_importance_sampling(seed):
    batch = random_batch(seed=seed)
    logp_PGT = batch.logp_PGT.clone().requires_grad_()
    expected = torch.autograd.grad(textbook(batch.replace(logp_PGT=logp_PGT)), logp_PGT)[0]
    for low in (1.0, math.inf):
        got = outcome(CISPO(clip_low=low, clip_high=math.inf), batch)
        assert torch.allclose(got.by_logp_PGT, expected, atol=1e-12)
        assert got.loss.metrics["objective/clamped"] == 0.0
    assert expected.abs().max() > 0.01


def test_on_fresh_answers_of_one_length_it_is_grpo():
    batch = equally_long()
    fresh = batch.replace(logp_behaviour_PGT=batch.logp_PGT)
    ours, grpo = outcome(CISPO(), fresh), outcome(GRPO(), fresh)
    assert torch.allclose(ours.by_logp_PGT, grpo.by_logp_PGT, atol=1e-12)
    assert ours.loss.value.item() == pytest.approx(grpo.loss.value.item())


@pytest.mark.parametrize("clip", [0.05, 0.2])
def test_on_answers_of_one_length_it_is_the_cut_of_unified(clip):
    batch = equally_long()
    ours = outcome(CISPO(clip_high=clip), batch)
    assert torch.allclose(ours.by_logp_PGT, outcome(Unified(stable="cut", clip=clip), batch).by_logp_PGT, atol=1e-12)
    assert 0 < ours.loss.metrics["objective/clamped"] < 1


@given(gap=st.floats(-2000.0, 2000.0), low=st.floats(0.01, 1.0), high=st.floats(0.01, 9.0))
def test_a_weight_is_never_outside_its_bounds(gap, low, high):
    batch = Batch(
        logp_PGT=torch.full((1, 2, 1), gap, dtype=torch.float64, requires_grad=True),
        action_PGT=torch.ones(1, 2, 1, dtype=torch.bool),
        valid_PG=torch.ones(1, 2, dtype=torch.bool),
        reward_PG=torch.tensor([[1e9, -1e9]], dtype=torch.float64),
        logp_behaviour_PGT=torch.zeros(1, 2, 1, dtype=torch.float64),
    )
    # A is 1 and -1, and two tokens share a prompt
    by_PGT = torch.autograd.grad(CISPO(clip_low=low, clip_high=high)(batch).value, batch.logp_PGT)[0]
    weight = 2 * by_PGT.abs().max().item()
    assert weight == pytest.approx(min(max(math.exp(min(gap, 20.0)), 1 - low), 1 + high))


def test_ratios_stay_finite_without_bounds():
    OBJECTIVE_CHECKS["far-policies"](CISPO(clip_high=1e9))


def test_one_sample_teaches_nothing(batch_of, grad):
    batch = batch_of([[-1.0]], [[3.0]], behaviour=[[-1.5]])
    assert not grad(CISPO()(batch).value, batch).any()


@pytest.mark.parametrize("settings", [{"clip_low": 0.0}, {"clip_high": -1.0}])
def test_wrong_settings_are_refused(settings):
    with pytest.raises(SteelyardError, match="cispo"):
        CISPO(**settings)
