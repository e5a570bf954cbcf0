import math

import pytest
import torch

from steelyard.check import check_method
from steelyard.core import Batch, SteelyardError
from steelyard.objective import DPO, IPO


def test_by_hand(batch_of, grad):
    # s_w - s_l = 2; sigma(beta * 2) = 3/4 at beta = ln(3) / 2
    batch = batch_of([[-1.0, -3.0]], [[1.0, 0.0]], ref=[[-2.0, -2.0]])
    beta = math.log(3) / 2
    loss = DPO(beta=beta)(batch)
    assert loss.value.item() == pytest.approx(-math.log(0.75))
    assert torch.allclose(grad(loss.value, batch).flatten(), beta / 4 * torch.tensor([-1.0, 1.0], dtype=torch.float64))
    assert loss.metrics == {"objective/margin": 2.0, "objective/accuracy": 1.0}


def test_at_the_reference_it_is_log_two(batch_of):
    batch = batch_of([[-1.0, -3.0], [-2.0, -5.0]], [[1.0, 0.0], [0.0, 1.0]], ref=[[-1.0, -3.0], [-2.0, -5.0]])
    assert DPO()(batch).value.item() == pytest.approx(math.log(2))


def test_small_beta_has_the_direction_of_ipo_at_the_reference(batch_of, grad):
    batch = batch_of([[-1.0, -3.0], [-2.0, -5.0]], [[1.0, 0.0], [0.0, 1.0]], ref=[[-1.0, -3.0], [-2.0, -5.0]])
    dpo, ipo = grad(DPO(beta=0.1)(batch).value, batch), grad(IPO(tau=0.1)(batch).value, batch)
    # sigma(0) beta = 0.05 against 2 / (2 tau) = 10
    assert torch.allclose(dpo / 0.05, ipo / 10)


def test_ties_and_invalid_pairs_weigh_nothing(batch_of):
    batch = batch_of(
        [[-1.0, -3.0], [-1.0, -3.0], [-1.0, -3.0]],
        [[1.0, 0.0], [1.0, 1.0], [1.0, float("nan")]],
        ref=[[-2.0, -2.0]] * 3,
        valid=[[True, True], [True, True], [True, False]],
    )
    loss = DPO()(batch)
    assert loss.weight == 1.0
    assert loss.value.item() == pytest.approx(DPO()(batch.prompts(slice(0, 1))).value.item())


def test_wrong_beta_and_wrong_groups_are_refused(batch_of):
    with pytest.raises(SteelyardError, match=r"dpo\.beta"):
        DPO(beta=0.0)
    with pytest.raises(SteelyardError, match="num_generations"):
        DPO()(batch_of([[-1.0]], [[1.0]], ref=[[-1.0]]))


def steps(rows):
    return torch.tensor(rows, dtype=torch.float64)


def test_length_normalised_by_hand(grad):
    """A chosen completion of two steps that gained 1 in all, and a rejected one of four that lost 2 in all."""
    logp_PGT = steps([[[-1.0, -1.0, 9.0, 9.0], [-2.0, -2.0, -2.0, -2.0]]]).requires_grad_()
    batch = Batch(
        logp_PGT=logp_PGT,
        action_PGT=torch.tensor([[[True, True, False, False], [True] * 4]]),
        valid_PG=torch.ones(1, 2, dtype=torch.bool),
        reward_PG=steps([[1.0, 0.0]]),
        logp_ref_PGT=steps([[[-1.5, -1.5, 0.0, 0.0], [-1.5, -1.5, -1.5, -1.5]]]),
    )
    # s_w / 2 - s_l / 4 = 1/2 + 1/2; without normalisation it is 1 + 2.
    loss = DPO(beta=math.log(3), length_normalised=True)(batch)
    assert loss.value.item() == pytest.approx(-math.log(0.75))
    assert loss.metrics["objective/margin"] == pytest.approx(1.0)
    pull = math.log(3) / 4
    expected = steps([[[-pull / 2, -pull / 2, 0.0, 0.0], [pull / 4] * 4]])
    assert torch.allclose(grad(loss.value, batch), expected)
    assert DPO()(batch).metrics["objective/margin"] == pytest.approx(3.0)


def test_length_normalised_pairs_of_equal_length_are_dpo_at_a_smaller_beta(batch_of):
    batch = batch_of([[-1.0, -3.0]], [[1.0, 0.0]], ref=[[-2.0, -2.0]])
    assert DPO(beta=0.3, length_normalised=True)(batch).value.item() == DPO(beta=0.3)(batch).value.item()


def test_length_normalised_conforms():
    assert all(result.passed for result in check_method(DPO(length_normalised=True)))
