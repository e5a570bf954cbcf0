import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import Batch, needs_of
from steelyard.objective import DPO, IPO, SFT, WithChosenLikelihood


def pair(chosen, rejected, *, masked=0):
    """A pair of completions of several steps, at a reference of 0; the last `masked` steps of both are no actions."""
    width = max(len(chosen), len(rejected))
    rows = [[*side, *[9.0] * (width - len(side))] for side in (chosen, rejected)]
    action = [[i < len(side) - masked for i in range(width)] for side in (chosen, rejected)]
    return Batch(
        logp_PGT=torch.tensor([rows], dtype=torch.float64).requires_grad_(),
        action_PGT=torch.tensor([action]),
        valid_PG=torch.ones(1, 2, dtype=torch.bool),
        reward_PG=torch.tensor([[1.0, 0.0]], dtype=torch.float64),
        logp_ref_PGT=torch.zeros(1, 2, width, dtype=torch.float64),
    )


def test_by_hand(grad):
    """s_w = -3 over two steps and s_l = -1 over one: -log sigma(-2 beta), and a fifth of 1.5 nats a token."""
    batch = pair([-1.0, -2.0], [-1.0])
    loss = WithChosenLikelihood(DPO(beta=0.5), 0.2)(batch)
    assert loss.value.item() == pytest.approx(math.log1p(math.e) + 0.2 * 1.5)
    assert loss.metrics["objective/chosen_nll"] == pytest.approx(1.5)
    pull = 0.5 / (1 + math.exp(-1))
    expected = torch.tensor([[-pull - 0.1, -pull - 0.1], [pull, 0.0]], dtype=torch.float64)
    assert torch.allclose(grad(loss.value, batch)[0], expected)


@given(st.floats(-3, 0), st.floats(-3, 0), st.sampled_from([DPO(), IPO(), DPO(length_normalised=True)]))
def test_without_weight_it_is_the_objective(chosen, rejected, objective):
    batch = pair([chosen, -1.0], [rejected])
    alone, both = objective(batch), WithChosenLikelihood(objective, 0.0)(batch)
    assert (both.value.item(), both.weight) == (alone.value.item(), alone.weight)
    assert needs_of(WithChosenLikelihood(objective, 0.0)) == needs_of(objective)


def test_what_it_adds_has_the_gradient_of_sft_on_what_was_chosen(grad):
    batch = pair([-1.0, -2.0], [-1.0, -1.0, -1.0])
    added = grad(WithChosenLikelihood(DPO(), 0.7)(batch).value, batch) - grad(DPO()(batch).value, batch)
    alone = pair([-1.0, -2.0], [])
    assert torch.allclose(added[0, 0, :2], 0.7 * grad(SFT()(alone).value, alone)[0, 0])
    assert not added[0, 1].any()


def test_masked_steps_and_ties_count_nothing(grad):
    objective = WithChosenLikelihood(DPO(), 0.2)
    ended, bare = pair([-1.0, -2.0], [-1.0, -3.0], masked=1), pair([-1.0], [-1.0])
    assert objective(ended).value.item() == pytest.approx(objective(bare).value.item())
    assert not grad(objective(ended).value, ended)[0, :, 1].any()
    tie = pair([-1.0], [-2.0])
    tie.reward_PG[:] = 1.0
    loss = objective(tie)
    assert (loss.value.item(), loss.weight) == (0.0, 0.0)
