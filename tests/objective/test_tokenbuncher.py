import pytest
import torch

from steelyard.check import outcome, random_batch
from steelyard.core import Batch, SteelyardError, needs_of
from steelyard.objective import GRPO, TokenBuncher
from steelyard.objective.tokenbuncher import Steps

NOISED = Steps(25)
"""The next step is the 26th."""


def batch_of(entropy, logp=None, others=None):
    """One prompt; what is not given is -1 at every token."""
    entropy_PGT = torch.tensor([entropy], dtype=torch.float64)
    made = [torch.tensor([x], dtype=torch.float64) if x else -torch.ones_like(entropy_PGT) for x in (logp, others)]
    logp_PGT, others_PGT = (x.requires_grad_() for x in made)
    return Batch(
        logp_PGT=logp_PGT,
        action_PGT=torch.ones_like(entropy_PGT, dtype=torch.bool),
        valid_PG=torch.ones(entropy_PGT.shape[:2], dtype=torch.bool),
        reward_PG=torch.zeros(entropy_PGT.shape[:2], dtype=torch.float64),
        logp_behaviour_PGT=logp_PGT.detach(),
        logp_ref_PGT=logp_PGT.detach(),
        entropy_PGT=entropy_PGT,
        others_logp_PGT=others_PGT,
    )


def test_a_policy_step_by_hand(grad):
    # mean entropies 1 and 3: the certain sample has advantage 1, the other -1, each over two tokens and two samples
    batch = batch_of([[0.5, 1.5], [3.0, 3.0]])
    loss = TokenBuncher()(batch)
    assert grad(loss.value, batch).flatten().tolist() == pytest.approx([-0.25, -0.25, 0.25, 0.25], abs=1e-4)
    assert loss.metrics == {"objective/entropy": 2.0, "objective/noise_step": 0.0}


def test_a_noise_step_by_hand():
    # the second sample is less certain than the mean, so only the first one's tokens count
    batch = batch_of([[1.0, 1.0], [3.0, 3.0]], [[-1.0, -2.0], [-9.0, -9.0]], [[-4.0, -6.0], [-9.0, -9.0]])
    loss = TokenBuncher(eps=0.1)(batch, NOISED)
    assert loss.value.item() == pytest.approx((0.9 * 3 + 0.01 * 10) / 2)
    assert (loss.weight, loss.metrics["objective/noise_step"]) == (2.0, 1.0)
    by_logp, by_others = torch.autograd.grad(loss.value, [batch.logp_PGT, batch.others_logp_PGT])
    assert by_logp.tolist() == [[[-0.45, -0.45], [0.0, 0.0]]]
    assert by_others.flatten().tolist() == pytest.approx([-0.005, -0.005, 0.0, 0.0])


def test_every_second_step_from_the_warm_up_on_is_a_noise_step():
    objective = TokenBuncher(warmup=4)
    batch = batch_of([[1.0], [3.0]])
    state = objective.init()
    told = []
    for _ in range(7):
        loss = objective(batch, state)
        told.append(loss.metrics["objective/noise_step"])
        state = objective.update(state, loss.stats)
    assert told == [0, 0, 0, 1, 0, 1, 0]


def test_a_policy_step_is_grpo_with_minus_the_entropy_as_reward():
    batch = random_batch()
    length_PG = batch.action_PGT.sum(-1)
    rewarded = batch.replace(reward_PG=-(batch.entropy_PGT * batch.action_PGT).sum(-1) / length_PG)
    ours = outcome(TokenBuncher(beta=0.0), batch)
    grpo = outcome(GRPO(), rewarded)
    torch.testing.assert_close(ours.by_logp_PGT, grpo.by_logp_PGT)
    assert grpo.by_logp_PGT.abs().max() > 0.01


def test_the_penalty_is_inside_the_reward():
    batch = batch_of([[1.0], [1.0]])
    # equal entropies: the sample that has left the reference by one nat is worse
    moved = batch.replace(logp_ref_PGT=torch.tensor([[[-2.0], [-1.0]]], dtype=torch.float64))
    loss = TokenBuncher(beta=0.5)(moved)
    by_PGT = torch.autograd.grad(loss.value, batch.logp_PGT)[0]
    assert by_PGT.flatten().tolist() == pytest.approx([0.5, -0.5], abs=1e-3)


def test_where_samples_tie_all_of_them_are_imitated_under_noise():
    loss = TokenBuncher()(batch_of([[1.0], [1.0]]), NOISED)
    assert loss.weight == 2.0
    nothing = batch_of([[1.0], [1.0]])
    none = TokenBuncher()(nothing.replace(valid_PG=torch.zeros_like(nothing.valid_PG)), NOISED)
    assert (none.weight, none.value.item()) == (0.0, 0.0)


def test_what_stands_at_no_action_is_silent_in_a_noise_step():
    batch = random_batch()
    clean = TokenBuncher()(batch, NOISED).value
    noise = {n: batch.field(n).where(batch.action_PGT, -7.0) for n in ("logp_PGT", "others_logp_PGT", "entropy_PGT")}
    assert torch.equal(TokenBuncher()(batch.replace(**noise), NOISED).value, clean)


def test_rewards_of_the_task_are_not_read_and_settings_are_checked():
    needs = needs_of(TokenBuncher())
    assert (needs.fields, needs.entropy, needs.others) == (("logp_behaviour_PGT", "logp_ref_PGT"), True, True)
    assert needs_of(TokenBuncher(beta=0.0)).fields == ("logp_behaviour_PGT",)
    with pytest.raises(SteelyardError, match=r"tokenbuncher\.eps"):
        TokenBuncher(eps=1.0)
