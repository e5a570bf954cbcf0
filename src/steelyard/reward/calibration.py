"""How far a reward model's certainty can be believed: its error in calibration, and the temperature that mends it.

    p_i = sigma(m_i / T),  m_i = s_w - s_l                  the certainty that the chosen one of pair i is the better
    c_i = max(p_i, 1 - p_i),  a_i = [m_i > 0]               certainty of its own verdict, and whether that was right
    ECE = sum_b n_b / N |mean_b a_i - mean_b c_i|           over equal bins b from 1/2 to 1, of n_b of the N pairs
    T   = argmin - mean_i [q log sigma(m_i / T) + (1 - q) log sigma(-m_i / T)],    q = (N + 1) / (N + 2)

Differs: T is temperature scaling with q in place of 1: else N pairs that are all told apart make T 0, and scores
infinite. N equal margins, all right, give T = m / log(N + 1).
Source: Guo et al. 2017, arXiv:1706.04599, whose classes are here the two sides of a pair; q: Platt 1999,
"Probabilistic outputs for support vector machines".
"""

from typing import Any

import numpy as np
from jaxtyping import Float

BINS = 10
_STEEPEST = 1e-2
_FLATTEST = 1e2


def calibration_error(margin_N: Float[np.ndarray, "N"]) -> float:
    """The expected calibration error of sigma(margin), of margins s_w - s_l of N pairs; one of 0 is half right."""
    if not len(margin_N):
        return 0.0
    certain_N = 1 / (1 + np.exp(-np.abs(margin_N)))
    right_N = np.where(margin_N == 0, 0.5, margin_N > 0)
    bin_N = np.minimum(((certain_N - 0.5) * 2 * BINS).astype(int), BINS - 1)
    gaps = [abs(right_N[bin_N == b].sum() - certain_N[bin_N == b].sum()) for b in range(BINS)]
    return float(sum(gaps) / len(margin_N))


def fit_temperature(margin_N: Float[np.ndarray, "N"]) -> float:
    """The T that fits sigma(margin / T) to q, between 0.01 and 100."""
    from scipy.optimize import minimize_scalar

    right = (len(margin_N) + 1) / (len(margin_N) + 2)

    def surprise(log_t: float) -> float:
        sure_N = margin_N * np.exp(-log_t)
        return float((right * np.logaddexp(0, -sure_N) + (1 - right) * np.logaddexp(0, sure_N)).mean())

    bounds = (np.log(_STEEPEST), np.log(_FLATTEST))
    found: Any = minimize_scalar(surprise, bounds=bounds, method="bounded")
    return float(np.exp(found.x))
