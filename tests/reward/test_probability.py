"""Calibrated probabilities: the numbers by hand, and what does not change them."""

import math

import numpy as np
import pytest

from steelyard.core.auc import auc
from steelyard.reward.probability import Calibration, expected_calibration_error, fit_calibration, log_loss


def test_the_calibration_error_by_hand():
    p = np.repeat([0.2, 0.6], 10)
    loved = np.array([*[1] * 2, *[0] * 8, *[1] * 6, *[0] * 4], bool)
    # ten bins of two rows: in each of the first ten rows' bins, |sum of (love - 0.2)| is 1.6 once and 0.4 four times
    assert expected_calibration_error(p, loved) == pytest.approx((1.6 + 4 * 0.4 + 3 * 0.8 + 2 * 1.2) / 20)
    assert expected_calibration_error(np.array([1.0, 0.0]), np.array([True, False])) == 0
    assert expected_calibration_error(np.array([0.7]), np.array([True])) == pytest.approx(0.3)


def test_the_log_loss_by_hand():
    assert log_loss(np.zeros(3), np.array([True, False, False])) == pytest.approx(math.log(2))
    assert log_loss(np.array([math.log(3)]), np.array([True])) == pytest.approx(math.log(4 / 3))


def test_a_constant_gets_the_base_rate():
    loved = np.arange(100) < 20
    target = (20 * 21 / 22 + 80 / 82) / 100
    assert fit_calibration(np.zeros(100), loved)(np.zeros(1)) == pytest.approx([target], abs=1e-4)


def test_it_finds_slope_and_offset_again():
    draws = np.random.default_rng(0)
    z = draws.normal(size=20_000) * 2
    loved = draws.random(20_000) < Calibration(0.5, -2.0)(z)
    found = fit_calibration(z, loved)
    assert (found.slope, found.offset) == pytest.approx((0.5, -2.0), abs=0.06)
    raw = Calibration(1.0, 0.0)
    assert expected_calibration_error(found(z), loved) < 0.01 < expected_calibration_error(raw(z), loved)
    assert auc(found(z)[loved], found(z)[~loved]) == pytest.approx(auc(z[loved], z[~loved]))


def test_separated_rows_stay_finite():
    found = fit_calibration(np.array([-1.0, -1.0, 1.0, 1.0]), np.array([False, False, True, True]))
    assert found(np.array([1.0, -1.0])) == pytest.approx([3 / 4, 1 / 4], abs=1e-3)
    backwards = fit_calibration(np.array([1.0, -1.0]), np.array([False, True]))
    assert backwards.slope == pytest.approx(0.01)
