import math

import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.objective import DPO
from steelyard.unlearn import RefusalDPO

PAIR = {"ref": [[-2.0, -2.0], [-5.0, 0.0]], "reward": [[1.0, 0.0], [1.0, 0.0]]}


def test_by_hand(unlearning, grad):
    # s_refusal - s_answer = 2; sigma(beta * 2) = 3/4 at beta = ln(3)/2; a single retained answer of 4 nats
    batch = unlearning([[-1.0, -3.0], [-4.0, 0.0]], [False, True], **PAIR, valid=[[True, True], [True, False]])
    beta = math.log(3) / 2
    assert RefusalDPO(beta=beta)(batch).value.item() == pytest.approx((2 / beta * -math.log(0.75) + 4) / 2)
    assert grad(RefusalDPO(beta=beta), batch).tolist() == [pytest.approx([-0.25, 0.25]), [-0.5, 0.0]]


def test_alone_it_is_dpo_in_units_of_beta(unlearning, grad):
    batch = unlearning(
        [[-1.0, -3.0], [-4.0, -6.0]], [False, False], ref=[[-2.0, -2.0]] * 2, reward=[[1.0, 0.0], [0.0, 1.0]]
    )
    assert torch.allclose(grad(RefusalDPO(beta=0.3), batch), 2 / 0.3 * grad(DPO(beta=0.3), batch))


def test_a_forgotten_prompt_without_a_pair_teaches_nothing(unlearning, grad):
    batch = unlearning([[-1.0, -3.0], [-4.0, 0.0]], [False, True], **PAIR, valid=[[True, False], [True, False]])
    assert RefusalDPO()(batch).weight == 1.0
    assert grad(RefusalDPO(), batch).tolist() == [[0.0, 0.0], [-1.0, 0.0]]


def test_settings_out_of_range_are_refused():
    for settings in ({"beta": 0.0}, {"retain": -1.0}):
        with pytest.raises(SteelyardError, match=r"refusal-dpo\."):
            RefusalDPO(**settings)
