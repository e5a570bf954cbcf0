import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.objective import SFT
from steelyard.unlearn import GradientAscent


def test_by_hand(unlearning, grad):
    batch = unlearning([[-1.0, -3.0], [-4.0, -4.0]], [False, True], valid=[[True, True], [True, False]])
    loss = GradientAscent()(batch)
    assert loss.value.item() == pytest.approx((-2.0 + 4.0) / 2)
    assert loss.metrics == {"objective/forget": -1.0, "objective/retain": 2.0}
    assert grad(GradientAscent(), batch).tolist() == [[0.25, 0.25], [-0.5, 0.0]]


def test_alone_it_is_imitation_upside_down(unlearning, grad):
    batch = unlearning([[-1.0], [-4.0]], [False, False])
    assert torch.allclose(grad(GradientAscent(), batch), -grad(SFT(), batch))


def test_nothing_to_forget_and_nothing_retained_weighs_nothing(unlearning, grad):
    batch = unlearning([[-1.0], [-4.0]], [True, True])
    loss = GradientAscent(retain=0.0)(batch)
    assert (loss.weight, loss.value.item()) == (0.0, 0.0)
    assert not grad(GradientAscent(retain=0.0), batch).any()


def test_a_negative_coefficient_is_refused():
    with pytest.raises(SteelyardError, match="use 0 or more"):
        GradientAscent(retain=-0.1)
