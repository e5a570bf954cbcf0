import pytest
import torch

from steelyard.check import outcome, random_batch
from steelyard.core import SteelyardError
from steelyard.objective import Kimi, VarGradTB
from steelyard.objective.advantage import centred, reward_of
from steelyard.objective.kernels import policy_gradient
from steelyard.objective.reduce import batch_mean, log_ratio, prompt_mean


def test_by_hand(batch_of, grad):
    # l = 1 and -1, r less its mean +-1/2: residuals 1/2 - 1/4 and -1/2 + 1/4
    batch = batch_of([[-1.0, -3.0]], [[1.0, 0.0]], ref=[[-2.0, -2.0]])
    loss = Kimi(beta=0.25)(batch)
    assert loss.value.item() == 1 / 16
    assert grad(loss.value, batch).flatten().tolist() == [-1 / 16, 1 / 16]
    assert loss.metrics == {"objective/residual_rms": 0.25, "objective/kl": 0.0}


def test_the_gradient_is_the_papers():
    """(r - mean r) grad log pi - tau/2 grad l^2, times -2 tau: the surrogate that the paper differentiates."""
    batch, tau = random_batch(), 0.3
    logp_PGT = batch.logp_PGT.clone().requires_grad_()
    moving = batch.replace(logp_PGT=logp_PGT)
    advantage_PG = centred(reward_of(batch), batch.valid_PG)
    reinforce = policy_gradient(moving, advantage_PG[..., None].expand_as(logp_PGT)).value
    penalty = batch_mean(log_ratio(moving).square(), batch.valid_PG)
    paper = torch.autograd.grad(reinforce + tau / 2 * penalty, logp_PGT)[0]
    ours = outcome(Kimi(beta=tau), batch).by_logp_PGT
    assert torch.allclose(ours, 2 * tau * paper, atol=1e-12)
    assert ours.abs().max() > 0.01


def test_where_the_mean_log_ratio_is_zero_it_is_trajectory_balance():
    batch = random_batch().prompts(torch.tensor([0, 4]))
    mean_P1 = prompt_mean(log_ratio(batch), batch.valid_PG)
    first_PGT = (batch.action_PGT.cumsum(-1) == 1) & batch.action_PGT
    shifted_PGT = batch.logp_ref_PGT + mean_P1[..., None].where(first_PGT, 0.0)
    level = batch.replace(logp_ref_PGT=shifted_PGT)
    assert torch.allclose(outcome(Kimi(0.3), level).by_logp_PGT, outcome(VarGradTB(0.3), level).by_logp_PGT)
    # elsewhere it is not: the penalty has no baseline
    assert not torch.allclose(outcome(Kimi(0.3), batch).by_logp_PGT, outcome(VarGradTB(0.3), batch).by_logp_PGT)


def test_one_sample_is_pulled_to_the_reference_alone(batch_of, grad):
    batch = batch_of([[-1.0]], [[3.0]], ref=[[-2.0]])
    assert grad(Kimi(beta=0.5)(batch).value, batch).item() == 0.5


def test_wrong_beta_is_refused():
    with pytest.raises(SteelyardError, match=r"kimi\.beta"):
        Kimi(beta=0.0)
