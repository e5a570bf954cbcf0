"""AUPRC by hand, with ties, and at its edges."""

import pytest
import torch

from steelyard.guard.curves import average_precision


def test_by_hand() -> None:
    harm = torch.tensor([True, False, True, False])
    assert average_precision(torch.tensor([0.9, 0.8, 0.7, 0.1]), harm) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(torch.tensor([0.1, 0.7, 0.8, 0.9]), harm) == pytest.approx((1 / 2 + 2 / 4) / 2)


def test_ties_are_one_threshold() -> None:
    assert average_precision(torch.full((4,), 0.5), torch.tensor([True, False, False, False])) == pytest.approx(0.25)


def test_perfect_none_and_nothing() -> None:
    assert average_precision(torch.tensor([0.2, 0.9]), torch.tensor([False, True])) == 1.0
    assert average_precision(torch.tensor([0.2, 0.9]), torch.tensor([False, False])) == 0.0
    assert average_precision(torch.zeros(0), torch.zeros(0, dtype=torch.bool)) == 0.0
