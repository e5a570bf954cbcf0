"""How far apart two distributions over the same outcomes are.

    TV(p, q) = 1/2 sum_k |p_k - q_k|,    JS(p, q) = 1/2 KL(p || m) + 1/2 KL(q || m),  m = (p + q) / 2

K outcomes. TV is a share; JS is in nats, at most log 2. Both are 0 where p = q alone.
"""

import numpy as np
from jaxtyping import Float64


def total_variation(p_K: Float64[np.ndarray, "K"], q_K: Float64[np.ndarray, "K"]) -> float:
    """The largest difference between the probabilities that both give to an event.

    >>> total_variation(np.array([0.5, 0.5]), np.array([0.25, 0.75]))
    0.25
    """
    return float(np.abs(p_K - q_K).sum() / 2)


def jensen_shannon(p_K: Float64[np.ndarray, "K"], q_K: Float64[np.ndarray, "K"]) -> float:
    """The Jensen-Shannon divergence (nats)."""
    from scipy.special import rel_entr

    mean_K = (p_K + q_K) / 2
    return float((rel_entr(p_K, mean_K) + rel_entr(q_K, mean_K)).sum() / 2)
