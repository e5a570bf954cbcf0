import math

import pytest
import torch

from steelyard.check import outcome, random_batch
from steelyard.core import SteelyardError
from steelyard.objective import GRPO, GSPO, Unified


def test_by_hand(batch_of, grad):
    # Rewards 1 and 0 are +1 and -1 standardised, eps aside. s = 1.1, 1.3 of right answers and .9, .7 of wrong ones:
    # within 1 + .2 and 1 - .2 a sample weighs s A / 4, outside 0.
    ratios = [1.1, 1.3, 0.9, 0.7]
    batch = batch_of([[math.log(s) - 2 for s in ratios]], [[1.0, 1.0, 0.0, 0.0]], behaviour=[[-2.0] * 4])
    loss = GSPO(clip_low=0.2, clip_high=0.2, eps=1e-12)(batch)
    assert grad(loss.value, batch).flatten().tolist() == pytest.approx([-1.1 / 4, 0.0, 0.9 / 4, 0.0])
    assert loss.metrics == pytest.approx({"objective/clip_share": 0.5, "objective/ratio": 1.0})
    assert loss.weight == 1.0


def test_the_bounds_are_two(batch_of, grad):
    batch = batch_of([[math.log(1.3) - 2, math.log(0.7) - 2]], [[1.0, 0.0]], behaviour=[[-2.0, -2.0]])

    def weighs(low, high):
        return (grad(GSPO(clip_low=low, clip_high=high)(batch).value, batch).flatten() != 0).tolist()

    assert weighs(0.2, 0.4) == [True, False]
    assert weighs(0.4, 0.2) == [False, True]
    assert weighs(1e9, 1e9) == [True, True]


@pytest.mark.parametrize("clip", [0.05, 0.2, 1e9])
def test_with_one_bound_it_is_the_unified_estimators_setting(clip):
    batch = random_batch()
    known = outcome(Unified("sequence", "clip", "standardised", clip=clip), batch)
    ours = outcome(GSPO(clip_low=clip, clip_high=clip), batch)
    torch.testing.assert_close(ours.by_logp_PGT, known.by_logp_PGT, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("seed", range(3))
def test_the_gradient_is_that_of_the_clipped_sequence_ratio(seed):
    """By autograd through s itself, as the paper's equation 5 stands."""
    batch, low, high = random_batch(seed=seed), 0.05, 0.1
    logp_PGT = batch.logp_PGT.clone().requires_grad_()
    steps_PGT = batch.action_PGT & batch.valid_PG[..., None]
    gap_PGT = (logp_PGT - batch.logp_behaviour_PGT).where(steps_PGT, 0.0)
    s_PG = (gap_PGT.sum(-1) / steps_PGT.sum(-1).clamp(min=1)).exp()
    total = 0.0
    for p in range(len(s_PG)):
        rewards, s = batch.reward_PG[p][batch.valid_PG[p]], s_PG[p][batch.valid_PG[p]]
        if len(s):
            advantage = (rewards - rewards.mean()) / (rewards.std(correction=0) + 1e-4)
            total = total + torch.minimum(s * advantage, s.clamp(1 - low, 1 + high) * advantage).mean()
    expected = torch.autograd.grad(-total / 4, logp_PGT)[0]  # prompt 3 has no valid sample
    got = outcome(GSPO(clip_low=low, clip_high=high), batch).by_logp_PGT
    assert torch.allclose(got, expected, atol=1e-12)
    assert got.any()


def test_on_fresh_samples_it_is_grpo():
    batch = random_batch()
    fresh = batch.replace(logp_behaviour_PGT=batch.logp_PGT)
    assert torch.allclose(outcome(GSPO(), fresh).by_logp_PGT, outcome(GRPO(), fresh).by_logp_PGT, atol=1e-12)


def test_equal_rewards_teach_nothing(batch_of, grad):
    batch = batch_of([[-1.0, -2.0]], [[1.0, 1.0]], behaviour=[[-2.0, -1.0]])
    loss = GSPO()(batch)
    assert not grad(loss.value, batch).any()
    assert loss.metrics["objective/clip_share"] == 0.0


@pytest.mark.parametrize("settings", [{"clip_low": 0.0}, {"clip_high": -0.1}, {"eps": 0.0}])
def test_wrong_settings_are_refused(settings):
    with pytest.raises(SteelyardError, match=r"gspo\."):
        GSPO(**settings)
