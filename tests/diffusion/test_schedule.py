import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.diffusion import NoiseSchedule


def test_steps_and_marginals_agree():
    schedule = NoiseSchedule(steps=10)
    assert schedule.bar_T.tolist() == pytest.approx((1 - schedule.beta_T).cumprod(0).tolist())
    assert schedule.bar_T[0] > 0.95
    assert schedule.bar_T[-1] < 0.01
    assert (schedule.beta_T.diff() > 0).all()


def test_noised_rows_by_hand():
    schedule = NoiseSchedule(steps=2)
    bar = schedule.bar_T[1]
    found = schedule.noised(torch.tensor([[2.0]]), torch.tensor([1]), torch.tensor([[3.0]]))
    assert found.item() == pytest.approx(2 * bar.sqrt().item() + 3 * (1 - bar).sqrt().item())


def test_no_steps_are_refused():
    with pytest.raises(SteelyardError, match=r"noise-schedule\.steps: is 0; use 1 to 1000"):
        NoiseSchedule(steps=0)
