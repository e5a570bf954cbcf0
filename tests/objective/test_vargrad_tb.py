"""The facts of design.md section 3, one test each; those that need an enumerated policy are in test_enumerated.py."""

import math

import pytest
import torch

from steelyard.check import outcome, random_batch
from steelyard.core import Batch, SteelyardError
from steelyard.objective import IPO, RLOO, VarGradTB
from steelyard.objective.advantage import centred, reward_of, shaped_reward
from steelyard.objective.kernels import policy_gradient
from steelyard.objective.reduce import log_ratio, prompt_mean

TB = VarGradTB(beta=0.3)


def residual_of(batch, *, stop=False):
    d_PG = TB.beta * log_ratio(batch) - reward_of(batch)
    mean_P1 = prompt_mean(d_PG, batch.valid_PG)
    return (d_PG - (mean_P1.detach() if stop else mean_P1)).where(batch.valid_PG, 0.0)


def gradient(value_of, batch):
    logp_PGT = batch.logp_PGT.detach().clone().requires_grad_()
    return torch.autograd.grad(value_of(batch.replace(logp_PGT=logp_PGT)), logp_PGT)[0]


def test_by_hand(batch_of, grad):
    # log-ratios 1 and -1, so d = 0.5 - 1 and -0.5 - 0: mean -0.5, residuals 0 and 0
    batch = batch_of([[-1.0, -3.0]], [[1.0, 0.0]], ref=[[-2.0, -2.0]])
    assert VarGradTB(beta=0.5)(batch).value.item() == 0
    # at beta 1: d = 0 and -1, residuals +-1/2, gradient 2/G * residual * beta
    loss = VarGradTB(beta=1.0)(batch)
    assert loss.value.item() == 0.25
    assert loss.weight == 1.0
    assert grad(loss.value, batch).flatten().tolist() == [0.5, -0.5]
    assert loss.metrics == {"objective/log_z": 0.5, "objective/residual_rms": 0.5, "objective/kl": 0.0}


def test_log_z_is_the_mean_of_reward_over_beta_minus_log_ratio_in_nats(batch_of):
    batch = batch_of([[-1.0, -3.0], [-1.0, -1.0]], [[1.0, 0.5], [2.0, 9.0]], ref=[[-2.0, -2.5], [-1.0, -1.0]],
                     valid=[[True, True], [True, False]])  # fmt: skip
    first = ((1 / 0.5 - 1.0) + (0.5 / 0.5 + 0.5)) / 2
    second = 2 / 0.5
    assert VarGradTB(beta=0.5)(batch).metrics["objective/log_z"] == pytest.approx((first + second) / 2)


def test_residuals_of_a_group_sum_to_zero():
    batch = random_batch()
    assert residual_of(batch).sum(-1).abs().max() < 1e-12
    assert residual_of(batch).abs().max() > 0.1


def test_stop_gradient_on_the_mean_changes_nothing():
    batch = random_batch()
    stopped = gradient(lambda b: residual_of(b, stop=True).square().sum(), batch)
    flowing = gradient(lambda b: residual_of(b).square().sum(), batch)
    assert torch.allclose(stopped, flowing, atol=1e-12)
    assert stopped.abs().max() > 0.1


def test_mixing_prompts_in_one_mean_is_another_loss():
    batch = random_batch().prompts(torch.tensor([0, 4]))
    names = ("logp_PGT", "action_PGT", "valid_PG", "reward_PG", "logp_ref_PGT")
    mixed = Batch(**{name: getattr(batch, name).flatten(0, 1)[None] for name in names})
    apart, together = gradient(lambda b: TB(b).value, batch), gradient(lambda b: TB(b).value, mixed)
    assert not torch.allclose(apart.flatten(), together.flatten(), rtol=0.05)
    assert TB(mixed).value > TB(batch).value  # total variance is within plus between


def test_one_sample_gives_zero_gradient_but_its_prompt_counts(batch_of, grad):
    single = batch_of([[-1.0]], [[3.0]], ref=[[-2.0]])
    loss = TB(single)
    assert (loss.value.item(), loss.weight) == (0, 1)
    assert not grad(loss.value, single).any()


def test_a_prompt_without_valid_samples_does_not_count():
    batch = random_batch()
    assert TB(batch).weight == 4.0
    kept = torch.tensor([0, 1, 2, 4])
    assert TB(batch.prompts(kept)).value.item() == pytest.approx(TB(batch).value.item(), rel=1e-12)


def test_gradient_is_that_of_mean_baseline_reinforce_on_the_kl_shaped_reward():
    """For any samples: nothing here was drawn from the policy. The constant is 2 beta."""
    batch = random_batch()

    def reinforce(b):
        advantage_PG = centred(shaped_reward(b, TB.beta), b.valid_PG)
        return policy_gradient(b, advantage_PG[..., None].expand_as(b.logp_PGT)).value

    tb = gradient(lambda b: TB(b).value, batch)
    assert torch.allclose(tb, 2 * TB.beta * gradient(reinforce, batch), atol=1e-12)
    assert tb.abs().max() > 0.01


def test_gradient_is_that_of_rloo_on_full_groups():
    batch = random_batch().prompts(torch.tensor([0, 4]))
    G = batch.valid_PG.shape[1]
    tb, rloo = outcome(TB, batch).by_logp_PGT, outcome(RLOO(beta=TB.beta), batch).by_logp_PGT
    assert torch.allclose(tb, 2 * TB.beta * (G - 1) / G * rloo, atol=1e-12)


def test_pairs_are_a_quarter_of_ipo_in_nats():
    batch = random_batch(2).prompts(slice(0, 1))
    gap = (reward_of(batch)[0, 0] - reward_of(batch)[0, 1]).abs().item()
    ipo, tb = outcome(IPO(tau=TB.beta / (2 * gap)), batch), outcome(TB, batch)
    assert tb.loss.value.item() / TB.beta**2 == pytest.approx(ipo.loss.value.item() / 4, rel=1e-9)
    assert torch.allclose(tb.by_logp_PGT / TB.beta**2, ipo.by_logp_PGT / 4)


def test_the_papers_loss_is_this_over_beta_squared():
    batch = random_batch()
    l_PG, reward_PG, valid_PG = log_ratio(batch), reward_of(batch), batch.valid_PG
    log_z_P1 = prompt_mean(reward_PG / TB.beta - l_PG, valid_PG)
    paper_PG = (log_z_P1 + l_PG - reward_PG / TB.beta).square()
    paper = prompt_mean(paper_PG, valid_PG).sum() / valid_PG.any(-1).sum()
    assert TB(batch).value.item() / TB.beta**2 == pytest.approx(paper.item(), rel=1e-12)


def test_no_length_normalisation(batch_of):
    """A step split into two whose log-probabilities add up to it changes neither value nor the whole's gradient."""
    batch = random_batch()
    names = (
        "logp_PGT",
        "logp_ref_PGT",
        "logp_behaviour_PGT",
        "reward_PGT",
        "entropy_PGT",
        "value_PGT",
        "others_logp_PGT",
    )
    halves = {name: torch.cat([getattr(batch, name) / 2] * 2, -1) for name in names}
    twice = batch.replace(
        **halves, action_PGT=batch.action_PGT.repeat(1, 1, 2), tokens_PGT=batch.tokens_PGT.repeat(1, 1, 2)
    )  # fmt: skip
    once, split = outcome(TB, batch), outcome(TB, twice)
    assert once.loss.value.item() == pytest.approx(split.loss.value.item(), rel=1e-12)
    T = batch.logp_PGT.shape[-1]
    assert torch.allclose(once.by_logp_PGT, split.by_logp_PGT[..., :T])
    # within a sequence every step has the same gradient, however long the sequence is
    first_PG = once.by_logp_PGT[..., 1:2].expand(-1, -1, T)
    assert torch.allclose(once.by_logp_PGT[batch.action_PGT], first_PG[batch.action_PGT])


def test_equal_rewards_at_the_reference_leave_nothing_to_learn(batch_of, grad):
    batch = batch_of([[-1.0, -2.0, -3.0]], [[2.0, 2.0, 2.0]], ref=[[-1.0, -2.0, -3.0]])
    loss = TB(batch)
    assert loss.value.item() < 1e-30
    assert grad(loss.value, batch).abs().max() < 1e-15


def test_missing_fields_and_wrong_settings_are_named(batch_of):
    with pytest.raises(ValueError, match="logp_ref_PGT"):
        TB(batch_of([[-1.0]], [[1.0]]))
    with pytest.raises(ValueError, match="reward_PG"):
        TB(batch_of([[-1.0]], ref=[[1.0]]))
    for beta in (0.0, -1.0, math.nan):
        with pytest.raises(SteelyardError, match=r"vargrad-tb\.beta"):
            VarGradTB(beta=beta)
