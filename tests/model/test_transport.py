import pytest
import torch

from steelyard.model.transport import matched, wasserstein


def test_by_hand():
    # One neuron: sorted 0, 2 against 1, 5: (1 + 9) / 2. The other: equal samples in another order.
    u = torch.tensor([[2.0, 3.0], [0.0, 4.0]])
    v = torch.tensor([[1.0, 4.0], [5.0, 3.0]])
    assert wasserstein(u, v).tolist() == [5.0, 0.0]


def test_samples_of_different_sizes_are_matched_by_quantiles():
    # 0, 1 against 0, 3, 6: pairs (0, 0) 1/3, (0, 3) 1/6, (1, 3) 1/6, (1, 6) 1/3.
    u_KD, v_KD, mass_K = matched(torch.tensor([[1.0], [0.0]]), torch.tensor([[3.0], [6.0], [0.0]]))
    assert list(zip(u_KD[:, 0].tolist(), v_KD[:, 0].tolist(), strict=True)) == [(0, 0), (0, 3), (1, 3), (1, 6)]
    assert mass_K.tolist() == pytest.approx([1 / 3, 1 / 6, 1 / 6, 1 / 3])
    expected = (0 + 9 / 2 + 4 / 2 + 25) / 3
    assert wasserstein(torch.tensor([[1.0], [0.0]]), torch.tensor([[3.0], [6.0], [0.0]])).item() == pytest.approx(
        expected
    )


def test_copies_of_a_sample_change_nothing():
    u, v = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(wasserstein(u.repeat(3, 1), v), wasserstein(u, v))
