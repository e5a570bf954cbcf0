import pytest
import torch

from steelyard.check import outcome, random_batch
from steelyard.core import Batch, SteelyardError
from steelyard.objective import PPO, Reinforce
from steelyard.objective.reduce import steps_of


def two_steps(**fields):
    """One sample of two actions; the step between them is no action."""
    rows = {"logp": [-1.0, 0.0, -1.0], "behaviour": [-1.0, 0.0, -1.0], "ref": [-1.0, 0.0, -1.0], "value": [0.0] * 3}
    rows |= fields
    made = {name: torch.tensor([[row]], dtype=torch.float64) for name, row in rows.items()}
    return Batch(
        logp_PGT=made["logp"].requires_grad_(), logp_behaviour_PGT=made["behaviour"], logp_ref_PGT=made["ref"],
        value_PGT=made["value"].requires_grad_(), action_PGT=torch.tensor([[[True, False, True]]]),
        valid_PG=torch.tensor([[True]]), reward_PG=torch.tensor([[1.0]], dtype=torch.float64),
    )  # fmt: skip


def gradients(objective, batch):
    return [
        by.flatten().tolist() for by in torch.autograd.grad(objective(batch).value, [batch.logp_PGT, batch.value_PGT])
    ]


def test_by_hand():
    # V = 1/2, 1/4: delta_2 = 1 - 1/4, delta_1 = 1/4 - 1/2, A_1 = -1/4 + 3/4 lambda
    batch = two_steps(value=[0.5, 9.0, 0.25])
    by_logp, by_value = gradients(PPO(beta=0.0, lam=0.5, value_weight=0.1), batch)
    assert by_logp == pytest.approx([-0.125 / 2, 0.0, -0.75 / 2])
    # (V - R) c / 2 tokens, with V - R = -A
    assert by_value == pytest.approx([-0.125 * 0.1 / 2, 0.0, -0.75 * 0.1 / 2])


def test_the_kl_is_paid_where_it_arises_and_by_the_sampler():
    # r_1 = -0.1 * 0.5 and r_2 = 1 + 0.1 * 0.5; lambda 1 and V 0 make A the reward to go
    batch = two_steps(behaviour=[-1.0, 0.0, -1.0], ref=[-1.5, 7.0, -0.5])
    by_logp, _ = gradients(PPO(beta=0.1, lam=1.0), batch)
    assert by_logp == pytest.approx([-1.0 / 2, 0.0, -1.05 / 2])


def textbook(batch, logp_PGT, value_PGT, objective):
    """The clipped surrogate and the value's loss, trajectory by trajectory, by autograd."""
    surrogate, error, num = 0.0, 0.0, 0
    for p, g in batch.valid_PG.nonzero().tolist():
        where = batch.action_PGT[p, g].nonzero().flatten()
        value_T, num = value_PGT[p, g, where], num + len(where)
        reward_T = -objective.beta * (batch.logp_behaviour_PGT - batch.logp_ref_PGT)[p, g, where]
        reward_T[-1] += batch.reward_PG[p, g]
        old_T = torch.cat([value_T.detach(), torch.zeros(1, dtype=torch.float64)])
        delta_T = reward_T + objective.gamma * old_T[1:] - old_T[:-1]
        decay = objective.gamma * objective.lam
        gained_T = torch.stack([sum(decay**k * d for k, d in enumerate(delta_T[t:])) for t in range(len(where))])
        ratio_T = (logp_PGT - batch.logp_behaviour_PGT)[p, g, where].exp()
        surrogate += torch.minimum(ratio_T * gained_T, ratio_T.clamp(0.8, 1.2) * gained_T).sum()
        error += (value_T - (gained_T + old_T[:-1])).square().sum()
    return (-surrogate + objective.value_weight * error / 2) / num


@pytest.mark.parametrize("seed", range(3))
def test_gradients_are_the_textbooks(seed):
    batch, objective = random_batch(seed=seed), PPO(beta=0.2, gamma=0.9, lam=0.7)
    leaves = [batch.logp_PGT.clone().requires_grad_(), batch.value_PGT.clone().requires_grad_()]
    expected = torch.autograd.grad(textbook(batch, *leaves, objective), leaves)
    got = outcome(objective, batch)
    assert torch.allclose(got.by_logp_PGT, expected[0], atol=1e-12)
    assert torch.allclose(got.by_value_PGT, expected[1], atol=1e-12)


def test_without_values_on_fresh_data_it_is_reinforce_up_to_the_averages():
    batch = random_batch().prompts(torch.tensor([0, 4]))
    still = batch.replace(logp_behaviour_PGT=batch.logp_PGT, value_PGT=torch.zeros_like(batch.logp_PGT))
    ours = outcome(PPO(beta=0.0, lam=1.0), still).by_logp_PGT
    samples, tokens = batch.valid_PG.sum(), steps_of(batch).sum()
    assert torch.allclose(ours * tokens, outcome(Reinforce(), batch).by_logp_PGT * samples)


def test_the_head_starts_at_zero():
    assert PPO().needs.value(3)(torch.randn(5, 3)).tolist() == [0.0] * 5


@pytest.mark.parametrize(
    "settings", [{"clip": 0.0}, {"beta": -1.0}, {"gamma": 1.1}, {"lam": -0.1}, {"value_weight": -1.0}]
)
def test_wrong_settings_are_refused(settings):
    with pytest.raises(SteelyardError, match="ppo"):
        PPO(**settings)
