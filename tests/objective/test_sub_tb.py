import math

import pytest
import torch

from steelyard.check import outcome, random_batch
from steelyard.core import Batch, SteelyardError
from steelyard.objective import LearnedZTB, SubTB
from steelyard.objective.advantage import reward_of
from steelyard.objective.reduce import steps_of


def start_of(batch):
    return (steps_of(batch).cumsum(-1) == 1) & steps_of(batch)


def test_by_hand():
    # two actions, log-ratios 1 and -2 at beta 1/2: increments 1/2 and -1; V = 0, 1 and r = 1
    batch = Batch(
        logp_PGT=torch.tensor([[[-1.0, -3.0]]], dtype=torch.float64).requires_grad_(),
        logp_ref_PGT=torch.tensor([[[-2.0, -1.0]]], dtype=torch.float64),
        value_PGT=torch.tensor([[[0.0, 1.0]]], dtype=torch.float64).requires_grad_(),
        action_PGT=torch.ones(1, 1, 2, dtype=torch.bool), valid_PG=torch.tensor([[True]]),
        reward_PG=torch.tensor([[1.0]], dtype=torch.float64),
    )  # fmt: skip
    loss = SubTB(beta=0.5, lam=0.5)(batch)
    # d_01 = 0 + 1/2 - 1, d_12 = 1 - 1 - 1, d_02 = 0 - 1/2 - 1; weights 1/2, 1/2, 1/4 of 5/4
    assert loss.value.item() == pytest.approx((0.5 * 0.25 + 0.5 * 1 + 0.25 * 2.25) / 1.25)
    assert loss.metrics["objective/log_z"] == 0.0
    assert loss.metrics["objective/kl"] == -1.0
    by_logp, by_value = torch.autograd.grad(loss.value, [batch.logp_PGT, batch.value_PGT])
    assert by_logp.flatten().tolist() == pytest.approx([(0.5 * -0.5 + 0.25 * -1.5) / 1.25, (-0.5 + 0.25 * -1.5) / 1.25])
    assert by_value.flatten().tolist() == pytest.approx(
        [2 * (0.5 * -0.5 + 0.25 * -1.5) / 1.25, 2 * (0.5 * 0.5 + 0.5 * -1.0) / 1.25]
    )


def test_with_the_whole_trajectory_alone_it_is_learned_z_tb():
    batch, beta = random_batch().prompts(torch.tensor([0, 4])), 0.3
    level = batch.replace(value_PGT=(beta * batch.log_z_P)[:, None, None].where(start_of(batch), batch.value_PGT))
    ours, whole = outcome(SubTB(beta, lam=1e12), level), outcome(LearnedZTB(beta), batch)
    assert ours.loss.value.item() == pytest.approx(whole.loss.value.item(), rel=1e-9)
    assert torch.allclose(ours.by_logp_PGT, whole.by_logp_PGT, atol=1e-10)
    # a value in reward units counts beta times less than log Z
    assert torch.allclose(beta * ours.by_value_PGT.sum((-1, -2)), whole.by_log_z_P, atol=1e-10)


def test_with_single_steps_alone_it_is_detailed_balance():
    batch, beta = random_batch().prompts(slice(0, 1)), 0.3
    expected = []
    for g in range(batch.valid_PG.shape[1]):
        where = batch.action_PGT[0, g].nonzero().flatten()
        value_S = torch.cat([batch.value_PGT[0, g, where], batch.reward_PG[0, g : g + 1]])
        gap_T = beta * (batch.logp_PGT - batch.logp_ref_PGT)[0, g, where]
        expected.append((value_S[:-1] + gap_T - value_S[1:]).square().mean())
    assert SubTB(beta, lam=1e-12)(batch).value.item() == pytest.approx(sum(expected).item() / len(expected))


def test_soft_values_and_pi_star_balance_every_part():
    """A tree of two letters and two steps: pi* and V = beta log E_ref exp(r / beta) make every d 0."""
    beta, reward_AB = 0.4, torch.randn(2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ref_A, ref_AB = torch.tensor([0.3, 0.7], dtype=torch.float64), torch.tensor([[0.5, 0.5], [0.9, 0.1]])
    tilt_AB = ref_AB * (reward_AB / beta).exp()
    value_A = beta * tilt_AB.sum(-1).log()
    start = beta * (ref_A * tilt_AB.sum(-1)).sum().log()
    pi_A, pi_AB = ref_A * (value_A - start).div(beta).exp(), tilt_AB / tilt_AB.sum(-1, keepdim=True)

    def steps(first_A, second_AB):
        return torch.stack([first_A[:, None].expand(2, 2), second_AB], -1).reshape(1, 4, 2).double()

    batch = Batch(
        logp_PGT=steps(pi_A, pi_AB).log(), logp_ref_PGT=steps(ref_A, ref_AB).log(),
        value_PGT=steps(start.expand(2), value_A[:, None].expand(2, 2)),
        action_PGT=torch.ones(1, 4, 2, dtype=torch.bool), valid_PG=torch.ones(1, 4, dtype=torch.bool),
        reward_PG=reward_AB.reshape(1, 4),
    )  # fmt: skip
    for lam in (0.1, 0.9, 2.0):
        loss = SubTB(beta, lam)(batch)
        assert loss.value.item() < 1e-12
        assert loss.metrics["objective/log_z"] == pytest.approx(start.item() / beta)


def test_no_power_overflows_on_long_completions():
    T = 300
    batch = Batch(
        logp_PGT=-torch.ones(1, 1, T), logp_ref_PGT=-torch.ones(1, 1, T), value_PGT=torch.zeros(1, 1, T),
        action_PGT=torch.ones(1, 1, T, dtype=torch.bool), valid_PG=torch.ones(1, 1, dtype=torch.bool),
        reward_PG=torch.ones(1, 1),
    )  # fmt: skip
    assert math.isfinite(SubTB(lam=1.5)(batch).value.item())
    assert reward_of(batch).item() == 1.0


@pytest.mark.parametrize("settings", [{"beta": 0.0}, {"lam": 0.0}])
def test_wrong_settings_are_refused(settings):
    with pytest.raises(SteelyardError, match="sub-tb"):
        SubTB(**settings)
