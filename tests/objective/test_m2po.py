import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steelyard.check import outcome, random_batch
from steelyard.core import Batch, SteelyardError
from steelyard.objective import GRPO, M2PO
from steelyard.objective.m2po import beyond_bound


def test_by_hand(batch_of, grad):
    # Rewards 1 and 0 are +1 and -1 standardised, eps aside. Log-ratios of right answers .1 and .3, of wrong ones -.2
    # and .5: the last is a wrong answer that grew likelier, and no step of S. m of S: .01, .09, .04, with means .01,
    # .025, .0467 from the smallest up; a bound of .04 masks the .09. The others weigh rho A / 4.
    batch = batch_of([[-1.9, -1.7, -2.2, -1.5]], [[1.0, 1.0, 0.0, 0.0]], behaviour=[[-2.0] * 4])
    loss = M2PO(threshold=0.04, eps=1e-12)(batch)
    expected = [-math.exp(0.1) / 4, 0.0, math.exp(-0.2) / 4, math.exp(0.5) / 4]
    assert grad(loss.value, batch).flatten().tolist() == pytest.approx(expected)
    assert loss.metrics == pytest.approx({"objective/masked_share": 0.25, "objective/m2": 0.39 / 4})
    assert loss.weight == 1.0


def test_a_prompts_tokens_share_one_mean():
    """Lengths 1 and 3: each step weighs a fourth, where GRPO gives each answer a half."""
    batch = Batch(
        logp_PGT=torch.full((1, 2, 3), -1.0, dtype=torch.float64, requires_grad=True),
        action_PGT=torch.tensor([[[True, False, False], [True, True, True]]]),
        valid_PG=torch.ones(1, 2, dtype=torch.bool),
        reward_PG=torch.tensor([[1.0, 0.0]], dtype=torch.float64),
        logp_behaviour_PGT=torch.full((1, 2, 3), -1.0, dtype=torch.float64),
    )
    (by,) = torch.autograd.grad(M2PO(eps=1e-12)(batch).value, batch.logp_PGT)
    assert by.flatten().tolist() == pytest.approx([-0.25, 0.0, 0.0, 0.25, 0.25, 0.25])


def test_where_lengths_are_equal_it_is_grpo_without_clipping_if_the_bound_is_far():
    batch = random_batch()
    every = batch.replace(action_PGT=torch.ones_like(batch.action_PGT))
    unbound = outcome(M2PO(threshold=1e9), every).by_logp_PGT
    torch.testing.assert_close(unbound, outcome(GRPO(clip=1e9), every).by_logp_PGT, rtol=1e-12, atol=1e-14)
    assert not torch.equal(outcome(M2PO(), every).by_logp_PGT, unbound)


def algorithm_1(m2, members, threshold):
    """The paper's loop: the largest one out, until the mean of the others is at most the threshold."""
    left, masked = set(members), set()
    while left and sum(m2[i] for i in left) / len(left) > threshold:
        largest = max(left, key=lambda i: m2[i])
        masked.add(largest)
        left.remove(largest)
    return masked


DISTINCT = st.lists(st.tuples(st.integers(0, 50), st.booleans()), min_size=1, max_size=9, unique_by=lambda x: x[0])


@given(DISTINCT, st.integers(1, 40).map(float))
def test_it_masks_what_algorithm_1_masks(drawn, threshold):
    m2, inside = [float(x) for x, _ in drawn], [member for _, member in drawn]
    expected = algorithm_1(m2, [i for i, member in enumerate(inside) if member], threshold)
    found = beyond_bound(torch.tensor([m2], dtype=torch.float64), torch.tensor([inside]), threshold)
    assert set(found[0].nonzero().flatten().tolist()) == expected


def test_equal_steps_go_together():
    two = torch.tensor([[2.0, 2.0, 0.0]], dtype=torch.float64)
    every = torch.ones(1, 3, dtype=torch.bool)
    # with one of them left the mean were 1, at most 1.2; which one, nobody could say
    assert beyond_bound(two, every, 1.2).tolist() == [[True, True, False]]
    assert beyond_bound(two, every, 1.4).tolist() == [[False, False, False]]


def test_the_bound_holds_for_the_batch_where_it_holds_for_each_prompt():
    batch, threshold = random_batch(), 0.04
    steps_PGT = batch.action_PGT & batch.valid_PG[..., None]
    gap_PGT = batch.logp_PGT - batch.logp_behaviour_PGT
    by_PGT = outcome(M2PO(threshold=threshold), batch).by_logp_PGT
    # the gradient is against A, so a step that learns and moves on away from the sampler has signs that differ
    left = gap_PGT[steps_PGT & (by_PGT * gap_PGT < 0)].square()
    assert 0 < len(left) < steps_PGT.sum()
    assert left.mean() <= threshold


def test_on_fresh_samples_nothing_is_masked(batch_of):
    batch = batch_of([[-1.0, -2.0]], [[1.0, 0.0]], behaviour=[[-1.0, -2.0]])
    assert M2PO(threshold=1e-9)(batch).metrics == {"objective/masked_share": 0.0, "objective/m2": 0.0}


@pytest.mark.parametrize("settings", [{"threshold": 0.0}, {"eps": -1.0}])
def test_wrong_settings_are_refused(settings):
    with pytest.raises(SteelyardError, match=r"m2po\."):
        M2PO(**settings)
