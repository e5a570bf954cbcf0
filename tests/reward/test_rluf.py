"""P(love): loss and correction by hand; without negatives left out it is a plain classifier."""

import math

import numpy as np
import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.reward import RLUF
from steelyard.reward.probability import expected_calibration_error, fit_calibration

SPARSE = np.arange(1000) < 20


def test_the_loss_by_hand():
    loss = RLUF().loss(torch.tensor([math.log(3), 0.0]), torch.tensor([True, False]))
    assert loss.item() == pytest.approx((math.log(4 / 3) + math.log(2)) / 2)


def test_negatives_are_left_out_by_hand():
    learning = RLUF(negatives=4.9)
    assert learning.kept_share(SPARSE) == pytest.approx(4.9 * 20 / 980)
    places, kept = learning.kept(SPARSE, seed=0)
    assert kept == 98 / 980 and len(places) == 20 + 98
    assert places[:20] == [*range(20)], "every loved row is learned from"
    assert learning.kept(SPARSE, seed=0) == (places, kept) != learning.kept(SPARSE, seed=1)


@pytest.mark.parametrize("negatives", [0.0, 1000.0])
def test_all_rows_are_kept_where_none_are_to_be_left_out(negatives):
    assert RLUF(negatives=negatives).kept(SPARSE, seed=0) == ([*range(1000)], 1.0)


def test_one_negative_is_kept_whatever_is_asked_for():
    places, kept = RLUF(negatives=1e-9).kept(SPARSE, seed=0)
    assert len(places) == 21 and kept == 1 / 980


def test_the_base_rate_comes_back():
    """Who learned from a tenth of the negatives says odds that are ten times too high."""
    draws = np.random.default_rng(0)
    true_N = draws.uniform(-6, -2, size=20_000)
    loved_N = draws.random(20_000) < 1 / (1 + np.exp(-true_N))
    found = RLUF().calibration(true_N + math.log(10), loved_N, kept=0.1)
    assert found.slope == pytest.approx(1, abs=0.1)
    assert found.offset == pytest.approx(math.log(0.1), abs=0.3)
    assert expected_calibration_error(found(true_N + math.log(10)), loved_N) < 0.005


def test_without_negatives_left_out_the_calibration_is_platts():
    z_N, loved_N = np.linspace(-3, 3, 50), np.arange(50) % 3 == 0
    assert RLUF().calibration(z_N, loved_N, kept=1.0) == fit_calibration(z_N, loved_N)


def test_settings_that_are_wrong():
    with pytest.raises(SteelyardError, match="negatives"):
        RLUF(negatives=-1.0)
