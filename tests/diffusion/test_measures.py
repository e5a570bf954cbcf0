import pytest
import torch

from steelyard.diffusion import Diffusion, NoiseSchedule
from steelyard.diffusion.measures import frechet, held_out_loss


def test_the_distance_by_hand():
    # Means 0 and 3, variances 2 and 8: 9 + 2 + 8 - 2 sqrt(16).
    one = torch.tensor([[-1.0], [1.0]])
    other = torch.tensor([[1.0], [5.0]])
    assert frechet(one, other) == pytest.approx(9 + 2 + 8 - 2 * 4)
    assert frechet(one, one) == pytest.approx(0, abs=1e-12)


def test_the_distance_is_that_of_the_square_root_of_a_matrix():
    draws = torch.Generator().manual_seed(0)
    one, other = (torch.randn(50, 3, generator=draws, dtype=torch.float64) * s for s in (1.0, 2.0))
    first, second = torch.cov(one.T), torch.cov(other.T)
    shared = torch.linalg.eigvals(first @ second).real.sqrt().sum()
    apart = (one.mean(0) - other.mean(0)).square().sum()
    assert frechet(one, other) == pytest.approx(float(apart + first.trace() + second.trace() - 2 * shared))


def test_the_loss_of_no_prediction_is_the_noise():
    rows, labels = torch.zeros(400, 2), torch.zeros(400).long()
    model = Diffusion(lambda x, t, c: 0 * x, NoiseSchedule(steps=4), 2)
    assert held_out_loss(model, rows, labels, seed=0) == pytest.approx(1.0, abs=0.05)
    assert held_out_loss(model, rows, labels, seed=0) == held_out_loss(model, rows, labels, seed=0)
