import torch

from steelyard.model import LinAcT, Pass
from steelyard.model.lin_act import linear_transport

READS = Pass(torch.tensor([[7, 8]]), torch.ones(1, 2, dtype=torch.bool), torch.tensor([[True, False]]))


def test_by_hand():
    # 0, 2 goes to 1, 5: scale 2, shift 1. A neuron that is always 3 is shifted to the mean of its target.
    scale, shift = linear_transport(torch.tensor([[2.0, 3.0], [0.0, 3.0]]), torch.tensor([[1.0, 0.0], [5.0, 2.0]]))
    assert (scale.tolist(), shift.tolist()) == ([2.0, 1.0], [1.0, -2.0])


def test_an_affine_target_is_met_and_half_a_strength_is_half_way():
    u = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    fitted = LinAcT(strength=0.5).fit({"layers.0": u}, {"layers.0": 3 * u[torch.tensor([4, 0, 2, 1, 3])] - 1})
    assert fitted.sites(1) == ("layers.0",)
    found = fitted.change("layers.0", u[None, :2], READS)
    torch.testing.assert_close(found[0], (u[:2] + 3 * u[:2] - 1) / 2)


def test_with_equal_spread_it_is_a_mean_shift():
    u = torch.randn(6, 2, generator=torch.Generator().manual_seed(1))
    scale, shift = linear_transport(u, u + torch.tensor([1.0, -2.0]))
    torch.testing.assert_close(scale, torch.ones(2))
    torch.testing.assert_close(shift, torch.tensor([1.0, -2.0]))
