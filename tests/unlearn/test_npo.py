import dataclasses
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import Batch, SteelyardError
from steelyard.unlearn import NPO, GradientAscent

LOGP = st.floats(-30, -0.01)


def test_by_hand(unlearning, grad):
    # log pi/pi_ref = 2, and beta = ln(3)/2: sigma(-ln 3) = 1/4, w = 2 * 3 / (3 + 1); the retained prompt adds 4 nats
    batch = unlearning([[-1.0], [-4.0]], [False, True], ref=[[-3.0], [-4.0]])
    beta = math.log(3) / 2
    loss = NPO(beta=beta)(batch)
    assert loss.value.item() == pytest.approx((2 / beta * math.log(4) + 4) / 2)
    assert loss.weight == 2.0
    assert grad(NPO(beta=beta), batch).flatten().tolist() == pytest.approx([1.5 / 2, -1 / 2])
    assert loss.metrics["objective/forget"] == pytest.approx(math.log(4) / beta)
    assert loss.metrics["objective/retain"] == pytest.approx(2.0)


def test_the_coefficient_weighs_the_retained_prompts(unlearning, grad):
    batch = unlearning([[-1.0], [-4.0]], [False, True], ref=[[-1.0], [-9.0]])
    assert grad(NPO(retain=3.0), batch).flatten().tolist() == pytest.approx([1 / 2, -3 / 2])


def test_without_retain_the_retained_prompts_are_not_there(unlearning, grad):
    both = unlearning([[-1.0], [-4.0]], [False, True], ref=[[-3.0], [-4.0]])
    alone = both.prompts(slice(0, 1))
    assert NPO(retain=0.0)(both).weight == 1.0
    assert NPO(retain=0.0)(both).value.item() == NPO(retain=0.0)(alone).value.item()
    assert grad(NPO(retain=0.0), both)[1].item() == 0.0


@given(st.lists(st.tuples(LOGP, LOGP), min_size=1, max_size=5), st.floats(0.01, 3.0))
def test_the_gradient_is_that_of_ascent_times_w(pairs, beta):
    logp, ref = (torch.tensor(column, dtype=torch.float64) for column in zip(*pairs, strict=True))
    batch = _forget(logp, ref)
    ours, ascent = (_grad(method, batch) for method in (NPO(beta, retain=0.0), GradientAscent(retain=0.0)))
    w = 2 * torch.sigmoid(beta * (logp - ref))
    torch.testing.assert_close(ours, ascent * w)
    assert (ours <= 2 * ascent * (1 + 1e-9)).all()


@given(st.lists(st.tuples(LOGP, LOGP), min_size=1, max_size=5))
def test_beta_to_zero_is_gradient_ascent(pairs):
    logp, ref = (torch.tensor(column, dtype=torch.float64) for column in zip(*pairs, strict=True))
    batch = _forget(logp, ref)
    torch.testing.assert_close(_grad(NPO(1e-7, 0.0), batch), _grad(GradientAscent(0.0), batch), rtol=1e-4, atol=0)


def test_at_the_reference_it_begins_as_gradient_ascent(unlearning, grad):
    batch = unlearning([[-1.0], [-5.0], [-2.0]], [False, False, True], ref=[[-1.0], [-5.0], [-7.0]])
    assert torch.allclose(grad(NPO(beta=0.7), batch), grad(GradientAscent(), batch))


def test_ascent_falls_in_proportion_to_time_and_npo_to_its_logarithm():
    # One logit, two answers: log pi falls at rate 1 under ascent, and like -log(2 beta t)/beta under NPO.
    fallen = {}
    for name, method in (("ga", GradientAscent(0.0)), ("npo", NPO(beta=1.0, retain=0.0))):
        logit, trace = torch.tensor(2.0, dtype=torch.float64, requires_grad=True), []
        for _ in range(400):
            logp = torch.nn.functional.logsigmoid(logit).reshape(1)
            trace.append(logp.item())
            (slope,) = torch.autograd.grad(method(_forget(logp, torch.tensor([trace[0]]).double())).value, logit)
            logit = (logit - slope).detach().requires_grad_()
        fallen[name] = trace[199] - trace[399]
    assert fallen["ga"] == pytest.approx(200, rel=0.05)
    assert fallen["npo"] == pytest.approx(math.log(2), abs=0.1)  # the logarithm is the leading term


def test_a_batch_of_retained_prompts_alone_is_imitated(unlearning, grad):
    batch = unlearning(
        [[-1.0, -3.0], [-2.0, -2.0]], [True, True], ref=[[0.0, 0.0]] * 2, valid=[[True, True], [True, False]]
    )
    assert NPO()(batch).value.item() == pytest.approx(2.0)
    assert grad(NPO(), batch).tolist() == [[-0.25, -0.25], [-0.5, 0.0]]
    assert NPO(retain=0.0)(batch).weight == 0.0


def test_what_is_missing_or_out_of_range_is_refused(unlearning):
    with pytest.raises(SteelyardError, match=r"npo\.beta"):
        NPO(beta=0.0)
    with pytest.raises(SteelyardError, match=r"npo\.retain"):
        NPO(retain=-1.0)
    with pytest.raises(ValueError, match="retain"):
        NPO()(dataclasses.replace(unlearning([[-1.0]], [False], ref=[[-1.0]]), labels={}))


def _forget(logp: torch.Tensor, ref: torch.Tensor) -> Batch:
    """One-step answers of prompts to be forgotten, as leaves of the graph unless they already belong to one."""
    logp_PGT = (logp if logp.requires_grad else logp.clone().requires_grad_())[:, None, None]
    mask_PG = torch.ones(len(logp), 1, dtype=torch.bool)
    return Batch(
        logp_PGT=logp_PGT, action_PGT=mask_PG[..., None], valid_PG=mask_PG, logp_ref_PGT=ref[:, None, None],
        labels={"retain": torch.zeros(len(logp), dtype=torch.bool)},
    )  # fmt: skip


def _grad(method, batch: Batch) -> torch.Tensor:
    return torch.autograd.grad(method(batch).value, batch.logp_PGT, retain_graph=True)[0].flatten()
