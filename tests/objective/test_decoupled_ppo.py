import math

import pytest
import torch

from steelyard.check import OBJECTIVE_CHECKS, outcome, random_batch
from steelyard.core import SteelyardError
from steelyard.objective import DecoupledPPO
from steelyard.objective.advantage import reward_of, standardised
from steelyard.objective.reduce import steps_of, sum_steps


def textbook(batch, clip, cap):
    """- the mean over actions of w min(rho A, clip(rho) A), by autograd."""
    advantage_PG1 = standardised(reward_of(batch), batch.valid_PG, 1e-4)[..., None]
    behaviour_PGT = (batch.logp_ref_PGT - batch.logp_behaviour_PGT).exp()
    correction_PGT = behaviour_PGT * (behaviour_PGT <= cap)
    ratio_PGT = (batch.logp_PGT - batch.logp_ref_PGT).exp()
    least_PGT = torch.minimum(ratio_PGT * advantage_PG1, ratio_PGT.clamp(1 - clip, 1 + clip) * advantage_PG1)
    return -sum_steps(correction_PGT * least_PGT, batch).sum() / steps_of(batch).sum()


def gradient_of(batch, clip, cap):
    logp_PGT = batch.logp_PGT.clone().requires_grad_()
    return torch.autograd.grad(textbook(batch.replace(logp_PGT=logp_PGT), clip, cap), logp_PGT)[0]


@pytest.mark.parametrize("cap", [1.0, 5.0, math.inf])
@pytest.mark.parametrize("seed", range(3))
def test_gradient_is_that_of_the_decoupled_surrogate(cap, seed):
    batch = random_batch(seed=seed)
    expected = gradient_of(batch, 0.2, cap)
    got = outcome(DecoupledPPO(ratio_cap=cap), batch)
    assert torch.allclose(got.by_logp_PGT, expected, atol=1e-12)
    assert expected.abs().max() > 0.001
    assert 0 < got.loss.metrics["objective/clip_share"] < 1
    assert (got.loss.metrics["objective/masked_share"] > 0) == (cap == 1.0)


def test_by_hand(batch_of, grad):
    # A = 1, -1, 1, -1. pi / pi_prox = 2, 2, 1, 1: the first is clipped. pi_prox / mu = 1, 1, 3, 8: the last is masked.
    # What is left: -2 and 3, over four tokens.
    logs = [math.log(x) for x in (2, 2, 3, 8)]
    batch = batch_of(
        [[-1.0] * 4],
        [[1.0, 0.0, 1.0, 0.0]],
        ref=[[-1.0 - logs[0], -1.0 - logs[1], -1.0, -1.0]],
        behaviour=[[-1.0 - log for log in logs]],
    )
    loss = DecoupledPPO()(batch)
    assert grad(loss.value, batch).flatten().tolist() == pytest.approx([0.0, 0.5, -0.75, 0.0], rel=1e-3)
    assert loss.weight == 4.0
    shares = {"objective/clip_share": 0.25, "objective/masked_share": 0.25}
    assert loss.metrics == pytest.approx({"objective/ratio": 1.5, "objective/behaviour_ratio": 3.25, **shares})


def test_where_the_proximal_policy_sampled_it_is_ppos_clip():
    batch = random_batch()
    coupled = batch.replace(logp_ref_PGT=batch.logp_behaviour_PGT)
    advantage_PG1 = standardised(reward_of(batch), batch.valid_PG, 1e-4)[..., None]
    logp_PGT = batch.logp_PGT.clone().requires_grad_()
    ratio_PGT = (logp_PGT - batch.logp_behaviour_PGT).exp()
    least_PGT = torch.minimum(ratio_PGT * advantage_PG1, ratio_PGT.clamp(0.8, 1.2) * advantage_PG1)
    ppo = torch.autograd.grad(-sum_steps(least_PGT, batch).sum() / steps_of(batch).sum(), logp_PGT)[0]
    assert torch.allclose(outcome(DecoupledPPO(), coupled).by_logp_PGT, ppo, atol=1e-12)


def test_where_the_proximal_policy_is_the_current_one_nothing_is_clipped():
    batch = random_batch()
    renewed = batch.replace(logp_ref_PGT=batch.logp_PGT)
    narrow, wide = (outcome(DecoupledPPO(clip=clip), renewed) for clip in (0.01, 1e9))
    assert torch.equal(narrow.by_logp_PGT, wide.by_logp_PGT)
    assert narrow.loss.metrics["objective/clip_share"] == 0.0
    # importance sampling: the gradient of the mean of A pi / mu
    advantage_PG1 = standardised(reward_of(batch), batch.valid_PG, 1e-4)[..., None]
    logp_PGT = batch.logp_PGT.clone().requires_grad_()
    plain_PGT = (logp_PGT - batch.logp_behaviour_PGT).exp() * advantage_PG1
    expected = torch.autograd.grad(-sum_steps(plain_PGT, batch).sum() / steps_of(batch).sum(), logp_PGT)[0]
    assert torch.allclose(narrow.by_logp_PGT, expected, atol=1e-12)


def test_the_clip_does_not_see_how_old_the_data_are():
    batch = random_batch()
    older = batch.replace(logp_behaviour_PGT=batch.logp_behaviour_PGT - 0.5)
    shares = [outcome(DecoupledPPO(ratio_cap=1e9), b).loss.metrics["objective/clip_share"] for b in (batch, older)]
    assert shares[0] == shares[1] > 0


def test_ratios_stay_finite_without_a_cap():
    OBJECTIVE_CHECKS["far-policies"](DecoupledPPO(ratio_cap=1e9))


def test_the_proximal_policy_is_needed():
    with pytest.raises(ValueError, match="logp_ref_PGT"):
        DecoupledPPO()(random_batch().replace(logp_ref_PGT=None))


@pytest.mark.parametrize("settings", [{"clip": 0.0}, {"ratio_cap": -1.0}])
def test_wrong_settings_are_refused(settings):
    with pytest.raises(SteelyardError, match="decoupled-ppo"):
        DecoupledPPO(**settings)
