import pytest
import torch

from steelyard.guard.macro_f1 import macro_f1


def test_by_hand():
    said, label = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 1, 2])
    # Class 0: 2*1/(2+1); class 1: 2*1/(2+2); class 2: 0.
    assert macro_f1(said, label) == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert macro_f1(label, label) == 1.0
    assert macro_f1(label[:0], label[:0]) == 0.0
