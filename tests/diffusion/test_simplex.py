import pytest
import torch

from steelyard.diffusion.simplex import one_drawn, projected


def test_the_projection_by_hand():
    # (1, 0.6, -1): mu = 0.3 for the first two.
    assert projected(torch.tensor([[1.0, 0.6, -1.0]])).tolist() == [pytest.approx([0.7, 0.3, 0.0])]


def test_a_point_of_the_simplex_stays_and_any_other_gets_there():
    inside = torch.tensor([[0.2, 0.5, 0.3], [0.0, 1.0, 0.0]])
    assert torch.allclose(projected(inside), inside, atol=1e-6)
    found = projected(torch.randn(5, 2, 7))
    assert torch.allclose(found.sum(-1), torch.ones(5, 2), atol=1e-5) and bool((found >= 0).all())


def test_a_draw_is_one_word_and_its_gradient_is_clamped():
    point = torch.tensor([[0.0, 1.0], [1.0, 0.0]], requires_grad=True)
    drawn = one_drawn(point, torch.Generator().manual_seed(0))
    assert drawn.tolist() == [[0.0, 1.0], [1.0, 0.0]]
    (drawn * torch.tensor([[5.0, -0.5], [0.25, -9.0]])).sum().backward()
    assert point.grad is not None
    assert point.grad.tolist() == [[1.0, -0.5], [0.25, -1.0]]
