import pytest
import torch

from steelyard.check import outcome, random_batch
from steelyard.core import SteelyardError
from steelyard.objective import LearnedZTB, VarGradTB
from steelyard.objective.advantage import reward_of
from steelyard.objective.reduce import batch_mean, log_ratio, prompt_mean, sum_steps


def test_by_hand(batch_of, grad):
    batch = batch_of([[-1.0, -3.0]], [[1.0, 0.0]], ref=[[-2.0, -2.0]], log_z=[2.0])
    loss = LearnedZTB(beta=0.5)(batch)
    # residuals 0.5 * (2 + 1) - 1 and 0.5 * (2 - 1) - 0, both 1/2
    assert loss.value.item() == 0.25
    assert grad(loss.value, batch).flatten().tolist() == [0.25, 0.25]
    assert loss.metrics == {"objective/log_z": 2.0, "objective/residual_rms": 0.5, "objective/kl": 0.0}


def test_with_the_groups_own_estimate_it_is_vargrad_tb():
    batch, beta = random_batch(), 0.3
    log_z_P = prompt_mean(reward_of(batch) / beta - log_ratio(batch), batch.valid_PG)[:, 0]
    learned = outcome(LearnedZTB(beta), batch.replace(log_z_P=log_z_P))
    vargrad = outcome(VarGradTB(beta), batch)
    assert learned.loss.value.item() == pytest.approx(vargrad.loss.value.item(), rel=1e-9)
    assert torch.allclose(learned.by_logp_PGT, vargrad.by_logp_PGT)
    # and the estimate is where the head has no gradient left
    assert learned.by_log_z_P.abs().max() < 1e-12


def test_the_reference_can_have_a_weight_of_its_own(batch_of, grad):
    batch = batch_of([[-1.0, -3.0]], [[1.0, 0.0]], ref=[[-2.0, -4.0]], log_z=[2.0])
    loss = LearnedZTB(beta=0.5, reference_beta=0.25)(batch)
    # residuals .5 (2 - 1) + .25 * 2 - 1 = 0 and .5 (2 - 3) + .25 * 4 - 0 = .5
    assert loss.value.item() == 0.125
    assert grad(loss.value, batch).flatten().tolist() == [0.0, 0.25]
    equal = LearnedZTB(beta=0.5, reference_beta=0.5)(batch)
    assert equal.value.item() == LearnedZTB(beta=0.5)(batch).value.item()


def test_a_tempered_reward_is_a_beta_t_times_as_large_with_the_reference_held(batch_of):
    """(log Z + log pi - (log pi_ref / gamma + r / b) / T)^2, times (b T)^2."""
    batch, b, gamma, heat = random_batch(), 0.2, 1.5, 1.7
    logp, ref = (sum_steps(x, batch) for x in (batch.logp_PGT, batch.field("logp_ref_PGT")))
    log_z = batch.field("log_z_P")[:, None]
    nats = log_z + logp - (ref / gamma + reward_of(batch) / b) / heat
    loss = LearnedZTB(beta=b * heat, reference_beta=b / gamma)(batch)
    assert loss.value.item() == pytest.approx(batch_mean((b * heat * nats).square(), batch.valid_PG).item(), rel=1e-6)


def test_one_sample_already_teaches_policy_and_head(batch_of):
    batch = batch_of([[-1.0]], [[1.0]], ref=[[-1.0]], log_z=[0.0])
    got = outcome(LearnedZTB(beta=0.5), batch)
    assert got.by_logp_PGT.item() == -1.0
    assert got.by_log_z_P.item() == -1.0


def test_the_head_starts_at_zero_and_learns_log_z():
    torch.manual_seed(0)
    objective, batch = LearnedZTB(beta=1.0), random_batch().prompts(torch.tensor([0, 4]))
    head = objective.needs.log_z(3).double()
    hidden_PD = torch.randn(2, 3, dtype=torch.float64)
    assert head(hidden_PD).tolist() == [0.0, 0.0]
    optimiser = torch.optim.LBFGS(head.parameters(), max_iter=100, tolerance_grad=1e-12, tolerance_change=1e-15)

    def closure():
        optimiser.zero_grad()
        value = objective(batch.replace(log_z_P=head(hidden_PD))).value
        value.backward()
        return value

    optimiser.step(closure)
    best_P = prompt_mean(reward_of(batch) - log_ratio(batch), batch.valid_PG)[:, 0]
    assert torch.allclose(head(hidden_PD), best_P, atol=1e-4)


def test_missing_log_z_and_wrong_beta_are_named(batch_of):
    with pytest.raises(ValueError, match="log_z_P"):
        LearnedZTB()(batch_of([[-1.0]], [[1.0]], ref=[[-1.0]]))
    with pytest.raises(SteelyardError, match=r"learned-z-tb\.beta: is 0\.0; use more than 0"):
        LearnedZTB(beta=0.0)
    with pytest.raises(SteelyardError, match="reference_beta"):
        LearnedZTB(reference_beta=-1.0)
