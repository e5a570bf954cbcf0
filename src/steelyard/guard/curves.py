"""Areas under curves: how well a number tells harmful texts from others, or finds them, whatever the threshold.

    AUPRC = sum_k (R_k - R_{k-1}) P_k,    AUC = P(above > below) + P(above = below) / 2

P_k and R_k are precision and recall where the texts with the k highest distinct numbers are called harmful: average
precision, without interpolation. At chance it is the share of harmful texts. N texts.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor


def average_precision(score_N: Float[Tensor, "N"], harm_N: Bool[Tensor, "N"]) -> float:
    """The area; 0 where nothing is harmful.

    >>> round(average_precision(torch.tensor([0.9, 0.8, 0.7, 0.1]), torch.tensor([True, False, True, False])), 4)
    0.8333
    """
    _, inverse_N, number_K = torch.unique(-score_N.double(), return_inverse=True, return_counts=True)
    found_K = torch.zeros(len(number_K), dtype=torch.double).index_add_(0, inverse_N, harm_N.double())
    hits_K = found_K.cumsum(0)
    precision_K = hits_K / number_K.cumsum(0)
    return float((found_K * precision_K).sum() / hits_K[-1].clamp(min=1)) if len(score_N) else 0.0


def area(above: Float64[np.ndarray, "N"], below: Float64[np.ndarray, "M"]) -> float:
    """The AUC, as `steelyard.core.auc` has it, in memory that grows with N + M.

    >>> area(np.array([0.9, 0.5]), np.array([0.1, 0.5]))
    0.875
    """
    ranked = np.sort(below)
    less, not_more = (np.searchsorted(ranked, above, side) for side in ("left", "right"))
    return float((less + not_more).mean() / 2 / len(below))
