import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steelyard.check import outcome, random_batch
from steelyard.core import SteelyardError
from steelyard.objective import TOPR, VCPO, DrGRPO, ScalesRate, VarGradTB
from steelyard.objective.vcpo import least_variance_baseline


def test_by_hand(batch_of, grad):
    # w = 1, 2, 10 with rewards 1, 0, 1 and one step each: b = (1 + 0 + 100) / 105. The weights are 1, 2 and, capped, 8.
    logp = [math.log(w) - 5 for w in (1, 2, 10)]
    batch = batch_of([logp], [[1.0, 0.0, 1.0]], behaviour=[[-5.0] * 3])
    loss = VCPO()(batch)
    b = 101 / 105
    expected = [-(1 - b) / 3, 2 * b / 3, -8 * (1 - b) / 3]
    assert grad(loss.value, batch).flatten().tolist() == pytest.approx(expected)
    assert loss.metrics == pytest.approx(
        {"objective/baseline": b, "objective/ratio": 11 / 3, "objective/clamped": 1 / 3}
    )


def test_a_baseline_by_hand():
    # w^2 |y| = 1 * 3 and 4 * 1; the third has no step and no say
    reward_PG = torch.tensor([[1.0, 0.0, 9.0]], dtype=torch.float64)
    log_ratio_PG = torch.tensor([[1.0, 2.0, 5.0]], dtype=torch.float64).log()
    assert least_variance_baseline(reward_PG, log_ratio_PG, torch.tensor([[3, 1, 0]])).item() == pytest.approx(3 / 7)
    assert least_variance_baseline(reward_PG, log_ratio_PG, torch.tensor([[0, 0, 0]])).item() == 0.0


def test_on_fresh_samples_of_equal_length_the_baseline_is_the_mean():
    batch = random_batch()
    every = batch.replace(action_PGT=torch.ones_like(batch.action_PGT), logp_behaviour_PGT=batch.logp_PGT)
    known = outcome(DrGRPO(importance_ratio=False), every).by_logp_PGT
    assert torch.allclose(outcome(VCPO(), every).by_logp_PGT, known, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_with_rewards_that_make_the_baseline_0_it_is_truncated_importance_sampling(seed):
    batch = random_batch(seed=seed).prompts(torch.tensor([0, 4]))
    log_ratio_PG = (batch.logp_PGT - batch.logp_behaviour_PGT).where(batch.action_PGT, 0.0).sum(-1)
    b = least_variance_baseline(batch.reward_PG, log_ratio_PG, batch.action_PGT.sum(-1))
    level = batch.replace(reward_PG=batch.reward_PG - b)
    known = outcome(TOPR(baseline=0.0, positive=(0.0, 8.0), negative=(0.0, 8.0)), level)
    assert torch.allclose(outcome(VCPO(), level).by_logp_PGT, known.by_logp_PGT, atol=1e-12)
    assert torch.allclose(outcome(VCPO(), batch).by_logp_PGT, known.by_logp_PGT, atol=1e-12)


SAMPLES = st.lists(st.tuples(st.floats(-2, 2), st.floats(-3, 3), st.integers(1, 9)), min_size=2, max_size=6)


@given(SAMPLES, st.floats(-2, 2))
def test_no_other_baseline_has_less_second_moment(samples, other):
    """sum_j w_j^2 |y_j| (r_j - b)^2: the trace of the second moment of the gradient, with |y| for the squared norm."""
    reward, log_ratio, length = (torch.tensor([x]) for x in zip(*samples, strict=True))
    reward, log_ratio = reward.double(), log_ratio.double()
    b = least_variance_baseline(reward, log_ratio, length)

    def moment(baseline):
        return float(((2 * log_ratio).exp() * length * (reward - baseline).square()).sum())

    assert moment(b) <= moment(other) + 1e-9


def test_ratios_of_any_size_have_a_baseline():
    reward = torch.tensor([[1.0, 0.0]])
    far = least_variance_baseline(reward, torch.tensor([[-1e4, -1e4]]), torch.tensor([[1, 1]]))
    assert far.item() == pytest.approx(0.5)
    assert least_variance_baseline(reward, torch.tensor([[1e4, -1e4]]), torch.tensor([[1, 1]])).item() == 1.0


def test_the_only_valid_sample_teaches_nothing(batch_of, grad):
    batch = batch_of([[-1.0, -2.0]], [[1.0, 0.0]], behaviour=[[-2.0, -2.0]], valid=[[True, False]])
    assert not grad(VCPO()(batch).value, batch).any()


def test_the_rate_falls_with_the_root_of_the_effective_share():
    assert isinstance(VCPO(), ScalesRate)
    assert not isinstance(VarGradTB(), ScalesRate)
    assert [VCPO().rate_scale(share) for share in (1.0, 0.25, 0.01)] == pytest.approx([1.0, 0.5, 0.1])
    tools = VCPO(fresh_share=0.55)
    assert tools.rate_scale(0.55) == tools.rate_scale(0.9) == 1.0
    assert tools.rate_scale(0.55 / 4) == pytest.approx(0.5)


@pytest.mark.parametrize("settings", [{"cap": 0.0}, {"fresh_share": 0.0}, {"fresh_share": 1.1}])
def test_wrong_settings_are_refused(settings):
    with pytest.raises(SteelyardError, match=r"vcpo\."):
        VCPO(**settings)
