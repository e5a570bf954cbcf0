"""What only an enumerated policy can show: the target pi*, and where each method comes to rest.

Sixteen strings of two symbols out of four, under a tabular autoregressive policy. A group holds each string as often as
a sampling law says, so the mean over the group is the exact expectation under that law.
"""

import itertools

import pytest
import torch

from steelyard.core import Batch, rng
from steelyard.objective import Reinforce, VarGradTB
from steelyard.objective.reduce import log_ratio

V, BETA = 4, 0.5
STRINGS_NT = torch.tensor(list(itertools.product(range(V), repeat=2)))
REWARD_N = torch.tensor(rng(0, "reward").uniform(0, 1.5, len(STRINGS_NT)))
LAWS = {"uniform": torch.full((16,), 2), "rising": torch.arange(1, 17), "one-sided": torch.tensor([1] * 15 + [60])}


def table(seed):
    return torch.tensor(rng(seed, "logits").normal(size=(1 + V, V)))


REF = table(1)


def logp(logits, tokens_NT):
    """log pi of each step: row 0 of the table starts, row 1 + a follows symbol a."""
    first_NT = logits.log_softmax(-1)[0][tokens_NT[:, 0]]
    second_NT = logits.log_softmax(-1)[1 + tokens_NT[:, 0], tokens_NT[:, 1]]
    return torch.stack([first_NT, second_NT], -1)


def group(logits, count_N):
    """One prompt whose group holds string n `count_N[n]` times."""
    index_G = torch.arange(16).repeat_interleave(count_N)
    tokens_GT = STRINGS_NT[index_G]
    logp_PGT = logp(logits, tokens_GT)[None]
    return Batch(
        logp_PGT=logp_PGT,
        action_PGT=torch.ones_like(logp_PGT, dtype=torch.bool),
        valid_PG=torch.ones(logp_PGT.shape[:2], dtype=torch.bool),
        reward_PG=REWARD_N[index_G][None],
        logp_ref_PGT=logp(REF, tokens_GT)[None],
    )


def law(logits):
    return logp(logits, STRINGS_NT).sum(-1).exp()


TILTED_N = law(REF) * (REWARD_N / BETA).exp()
LOG_Z, STAR_N = TILTED_N.sum().log().item(), TILTED_N / TILTED_N.sum()


def distance(logits):
    return 0.5 * (law(logits) - STAR_N).abs().sum().item()


def minimise(objective, count_N, steps=250):
    logits = REF.clone().requires_grad_()
    optimiser = torch.optim.Adam([logits], lr=0.1)
    for _ in range(steps):
        optimiser.zero_grad()
        objective(group(logits, count_N)).value.backward()
        optimiser.step()
    return logits.detach()


def star_logits():
    """A table that is pi* exactly."""
    joint_VV = STAR_N.reshape(V, V)
    return torch.cat([joint_VV.sum(1).log()[None], (joint_VV / joint_VV.sum(1, keepdim=True)).log()])


@pytest.mark.parametrize("name", LAWS)
def test_the_minimiser_is_pi_star_under_any_sampling_law_of_full_support(name):
    assert distance(REF) > 0.2
    assert distance(minimise(VarGradTB(BETA), LAWS[name])) < 1e-3


def test_uncorrected_reinforce_does_not_reach_it():
    assert distance(minimise(Reinforce(BETA), LAWS["rising"])) > 0.1
    assert distance(minimise(Reinforce(BETA), LAWS["one-sided"])) > 0.1


def test_without_full_support_nothing_fixes_the_rest():
    count_N = torch.ones(16, dtype=torch.long)
    count_N[STAR_N.argsort()[-4:]] = 0
    logits = minimise(VarGradTB(BETA), count_N)
    assert distance(logits) > 0.01
    assert VarGradTB(BETA)(group(logits, count_N)).value < 1e-6


@pytest.mark.parametrize("name", LAWS)
def test_at_pi_star_every_group_estimates_log_z_exactly_and_the_loss_is_zero(name):
    loss = VarGradTB(BETA)(group(star_logits(), LAWS[name]))
    assert loss.value.item() < 1e-20
    assert loss.metrics["objective/log_z"] == pytest.approx(LOG_Z, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_on_policy_the_estimate_is_log_z_minus_the_kl_to_pi_star(seed):
    """So it is at most log Z in expectation. The expectation over single draws is the exact sum over strings."""
    logits = table(seed)
    single_N = torch.tensor(
        [VarGradTB(BETA)(group(logits, count)).metrics["objective/log_z"] for count in torch.eye(16, dtype=torch.long)]
    )
    expected = (law(logits) * single_N).sum().item()
    kl = (law(logits) * (law(logits) / STAR_N).log()).sum().item()
    assert expected == pytest.approx(LOG_Z - kl, abs=1e-6)
    assert expected < LOG_Z


def test_off_policy_the_estimate_may_exceed_log_z():
    # the reference's log-ratio is 0, so a group of the best string alone says r_max / beta
    best = torch.zeros(16, dtype=torch.long)
    best[REWARD_N.argmax()] = 1
    assert VarGradTB(BETA)(group(REF, best)).metrics["objective/log_z"] > LOG_Z


def test_on_policy_its_gradient_is_that_of_the_kl_regularised_reward():
    """Expected over groups drawn from pi: 2 beta (G - 1) / G times the gradient of -(E r - beta KL)."""
    G, logits = 2, table(3).requires_grad_()
    weight_N = law(logits).detach()
    total = torch.zeros_like(logits)
    for i, j in itertools.product(range(16), repeat=2):
        count_N = torch.zeros(16, dtype=torch.long)
        count_N[i] += 1
        count_N[j] += 1
        value = VarGradTB(BETA)(group(logits, count_N)).value
        total += weight_N[i] * weight_N[j] * torch.autograd.grad(value, logits)[0]
    kl = (law(logits) * log_ratio(group(logits, torch.ones(16, dtype=torch.long)))[0]).sum()
    objective = (law(logits) * REWARD_N).sum() - BETA * kl
    exact = -torch.autograd.grad(objective, logits)[0]
    assert torch.allclose(total, 2 * BETA * (G - 1) / G * exact, atol=1e-10)
