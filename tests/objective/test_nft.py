import math

import pytest
import torch

from steelyard.check import outcome, random_batch
from steelyard.objective import GRPO, NFT, DrGRPO
from steelyard.objective.reduce import num_prompts


def binary(batch):
    return batch.replace(reward_PG=(batch.field("reward_PG") > 0.5).double())


def test_by_hand(batch_of, grad):
    # One right answer of four, q = 1/4, W = 3/4. Wrong ones at ratios 1, 2 and 1/2:
    # (1 - q rho)/(1 - q) = 1, 2/3 (below eps = 1), 7/6; so rho over that is 1, 2 and 3/7, times q/(1 - q) = 1/3.
    logp = [[math.log(0.4), math.log(0.1), math.log(0.4), math.log(0.2)]]
    behaviour = [[math.log(0.1), math.log(0.1), math.log(0.2), math.log(0.4)]]
    batch = batch_of(logp, [[1.0, 0.0, 0.0, 0.0]], behaviour=behaviour)
    loss = NFT()(batch)
    wanted = [-1.0, 1 / 3, 2 / 3, 1 / 7]
    assert grad(loss.value, batch).flatten().tolist() == pytest.approx([3 / 4 / 4 * x for x in wanted])
    assert loss.metrics == {"objective/right": 0.25, "objective/mixed": 1.0}


@pytest.mark.parametrize("weighting", ["failures", "deviation", "equal"])
@pytest.mark.parametrize("eps", [0.1, 1.0])
def test_its_gradient_is_that_of_the_papers_loss(weighting, eps):
    for seed in range(3):
        batch = binary(random_batch(8, seed))
        logp_PGT = batch.logp_PGT.detach().requires_grad_()
        right_PG = (batch.field("reward_PG") > 0.5) & batch.valid_PG
        count_P1 = batch.valid_PG.sum(-1, keepdim=True)
        share_P1 = right_PG.double().sum(-1, keepdim=True) / count_P1.clamp(min=1)
        q_P11 = share_P1.clamp(0.02, 0.98)[..., None]
        ratio_PGT = (logp_PGT - batch.field("logp_behaviour_PGT")).clamp(max=10).exp()
        negative_PGT = (1 - q_P11 * ratio_PGT) / (1 - q_P11)
        straight_PGT = negative_PGT + (negative_PGT.clamp(min=eps) - negative_PGT).detach()
        step_PGT = torch.where(right_PG[..., None], -ratio_PGT.log(), -straight_PGT.log())
        step_PGT = step_PGT.where(batch.action_PGT & batch.valid_PG[..., None], 0.0)
        weight_P11 = {"failures": 1 - q_P11, "deviation": ((1 - q_P11) / q_P11).sqrt(), "equal": 1.0}[weighting]
        mixed_P11 = ((share_P1 > 0) & (share_P1 < 1))[..., None]
        loss_PG = (weight_P11 * step_PGT).where(mixed_P11, 0.0).sum(-1) / count_P1.clamp(min=1)
        (wanted_PGT,) = torch.autograd.grad(loss_PG.sum() / num_prompts(batch.valid_PG), logp_PGT)
        got_PGT = outcome(NFT(weighting=weighting, eps=eps), batch).by_logp_PGT
        assert wanted_PGT.any()
        torch.testing.assert_close(got_PGT, wanted_PGT, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_on_fresh_samples_it_is_dr_grpo_or_grpo(seed):
    batch = binary(random_batch(8, seed))
    fresh = batch.replace(logp_behaviour_PGT=batch.logp_PGT.detach())
    dr_grpo = outcome(DrGRPO(), fresh).by_logp_PGT
    assert dr_grpo.any()
    torch.testing.assert_close(outcome(NFT(), fresh).by_logp_PGT, dr_grpo, rtol=1e-12, atol=1e-12)
    one_step = fresh.replace(action_PGT=torch.zeros_like(fresh.action_PGT).index_fill(2, torch.tensor([1]), True))
    grpo = outcome(GRPO(eps=1e-12), one_step).by_logp_PGT
    got = outcome(NFT(weighting="deviation"), one_step).by_logp_PGT
    torch.testing.assert_close(got, grpo, rtol=1e-6, atol=1e-9)


def test_without_negatives_it_is_fine_tuning_on_right_answers(batch_of, grad):
    batch = batch_of([[-1.0, -2.0, -3.0]], [[1.0, 0.0, 1.0]], behaviour=[[-2.0, -2.0, -2.0]])
    got = grad(NFT(negative=0.0, weighting="equal")(batch).value, batch)
    assert got.flatten().tolist() == pytest.approx([-1 / 3, 0.0, -1 / 3])


def test_a_prompt_without_both_kinds_teaches_nothing_and_counts(batch_of, grad):
    batch = batch_of([[-1.0, -2.0], [-1.0, -2.0]], [[1.0, 1.0], [1.0, 0.0]], behaviour=[[-1.0, -2.0], [-1.0, -2.0]])
    loss = NFT()(batch)
    assert grad(loss.value, batch)[..., 0].tolist() == [[0.0, 0.0], [-0.125, 0.125]]
    assert loss.weight == 2.0
    assert loss.metrics["objective/mixed"] == 0.5


def test_shares_and_ratios_are_clamped(batch_of, grad):
    # 99 of 100 right: q counts as .98. W is .02, and a fresh wrong answer weighs .02 (.98 / .02) = .98, not .99.
    most = batch_of([[-1.0] * 100], [[1.0] * 99 + [0.0]], behaviour=[[-1.0] * 100])
    pull = grad(NFT()(most).value, most).flatten() * 100
    assert pull[0].item() == pytest.approx(-0.02)
    assert pull[-1].item() == pytest.approx(0.98)
    # A wrong answer 20 nats likelier than when it was sampled pulls as one that is 10 nats likelier.
    far = batch_of([[-1.0, -1.0]], [[1.0, 0.0]], behaviour=[[-1.0, -21.0]])
    assert grad(NFT()(far).value, far).flatten()[1].item() == pytest.approx(0.5 * math.exp(10) / 2)
