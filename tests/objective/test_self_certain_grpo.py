"""GRPO with the self-certainty of the rationale: by hand, without it GRPO itself, and where there is no rationale."""

import math

import pytest
import torch

from steelyard.objective import GRPO, SelfCertainGRPO
from steelyard.objective.self_certain_grpo import rationale

MARKS = [[[0.0, 1.0, 0.0, 1.0, 0.0], [0.0, 0.0, 1.0, 0.0, 0.0]]]
"""Two samples of a prompt: the rationale of the first are its tokens 2 and 3; the second has one mark, so none."""


def made(batch_of, marks=MARKS, entropy=None):
    batch = batch_of([[-5.0, -5.0]], [[1.0, 1.0]])
    shape = (1, 2, 5)
    return batch.replace(
        logp_PGT=torch.full(shape, -1.0, requires_grad=True),
        logp_behaviour_PGT=torch.full(shape, -1.0),
        logp_ref_PGT=torch.full(shape, -1.0),
        action_PGT=torch.ones(shape, dtype=torch.bool),
        tokens_PGT=None,
        reward_PGT=torch.tensor(marks),
        entropy_PGT=torch.tensor(entropy or [[[9.0, 9.0, 0.5, 0.7, 9.0], [1.0] * 5]]),
    )


def test_the_rationale_is_between_the_marks(batch_of):
    assert rationale(made(batch_of)).tolist() == [[[False, False, True, True, False], [False] * 5]]
    three = [[[1.0, 1.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0]]]
    assert rationale(made(batch_of, three)).tolist() == [[[False, True, False, False, False], [False] * 5]]


def test_by_hand(batch_of):
    """Both have reward 1; the first has alpha (log V - 0.6) / V besides, so its advantage is 1 and the other's -1."""
    batch = made(batch_of)
    objective = SelfCertainGRPO(alpha=2.0, vocabulary=10, beta=0.0, eps=1e-9)
    loss = objective(batch)
    bonus = 2.0 * (math.log(10) - 0.6) / 10
    whole = GRPO(eps=1e-9)(batch.replace(reward_PG=torch.tensor([[1.0 + bonus, 1.0]])))
    assert loss.value.item() == pytest.approx(whole.value.item(), abs=1e-6)
    assert loss.metrics["objective/self_certainty"] == pytest.approx((math.log(10) - 0.6) / 2)
    loss.value.backward()
    grad = batch.logp_PGT.grad
    assert grad[0, 0].tolist() == pytest.approx([-1 / 10] * 5)
    assert grad[0, 1].tolist() == pytest.approx([1 / 10] * 5)


def test_without_alpha_it_is_grpo(batch_of):
    batch = made(batch_of).replace(reward_PG=torch.tensor([[0.3, 1.0]]))
    ours = SelfCertainGRPO(alpha=0.0, beta=0.05)(batch)
    assert ours.value.item() == GRPO(beta=0.05)(batch).value.item()


def test_without_marks_nothing_is_added(batch_of):
    none = [[[0.0] * 5] * 2]
    loss = SelfCertainGRPO(alpha=2.0, vocabulary=10, beta=0.0)(made(batch_of, none))
    assert loss.value.item() == pytest.approx(0.0)
    assert loss.metrics["objective/self_certainty"] == 0
