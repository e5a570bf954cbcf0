"""Predicted probabilities of a rare event: whether they can be believed, and what mends them.

    ECE = sum_b n_b / N |mean_b y - mean_b p|        over 10 bins b of (nearly) equal counts n_b, in the order of p
    (a, c) = argmin mean_i -(q_i log p_i + (1 - q_i) log(1 - p_i)),   p_i = sigma(a z_i + c),   a > 0
    q = (n_1 + 1) / (n_1 + 2) for each of the n_1 events, 1 / (n_0 + 2) for each of the n_0 others

N examples, z their log-odds, y 1 for an event. Bins have equal counts, not equal widths: at a base rate of 2 % nearly
all of equal widths would be empty. As a > 0, a calibration changes no order, and no AUC (`core.auc`).
Source: Platt 1999, "Probabilistic outputs for support vector machines"; Guo et al. 2017, arXiv:1706.04599.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from steelyard.core import Positive, checked

BINS = 10
_SLOPES = (np.log(1e-2), np.log(1e2))
_OFFSETS = (-50.0, 50.0)


@checked("calibration")
@dataclass(frozen=True)
class Calibration:
    """What makes a probability of a network's log-odds."""

    slope: Positive
    """a."""
    offset: float
    """c."""

    def __call__(self, z_N: Float[np.ndarray, "N"]) -> Float[np.ndarray, "N"]:
        """The probabilities."""
        from scipy.special import expit

        return expit(self.slope * z_N + self.offset)


def fit_calibration(z_N: Float[np.ndarray, "N"], event_N: Bool[np.ndarray, "N"]) -> Calibration:
    """The slope, between 0.01 and 100, and the offset that fit examples with events and without."""
    from scipy.optimize import minimize

    events = int(event_N.sum())
    target_N = np.where(event_N, (events + 1) / (events + 2), 1 / (len(z_N) - events + 2))

    def surprise(settings: Float[np.ndarray, "2"]) -> float:
        return log_loss(np.exp(settings[0]) * z_N + settings[1], target_N)

    found: Any = minimize(surprise, np.zeros(2), method="L-BFGS-B", bounds=(_SLOPES, _OFFSETS))
    return Calibration(float(np.exp(found.x[0])), float(found.x[1]))


def log_loss(z_N: Float[np.ndarray, "N"], target_N: Float[np.ndarray, "N"] | Bool[np.ndarray, "N"]) -> float:
    """The mean cross-entropy of log-odds (nats)."""
    return float((target_N * np.logaddexp(0, -z_N) + (1 - target_N) * np.logaddexp(0, z_N)).mean())


def expected_calibration_error(p_N: Float[np.ndarray, "N"], event_N: Bool[np.ndarray, "N"]) -> float:
    """ECE: how far predicted and observed rates are apart, on average over the bins."""
    gap_N = (event_N - p_N)[np.argsort(p_N, kind="stable")]
    return float(sum(abs(part.sum()) for part in np.array_split(gap_N, BINS)) / len(p_N))
