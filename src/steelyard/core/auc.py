"""The area under the ROC curve: how well a number tells two kinds apart, whatever the threshold.

AUC = P(above > below) + P(above = below) / 2
"""

import numpy as np
from jaxtyping import Float64


def auc(above: Float64[np.ndarray, "N"], below: Float64[np.ndarray, "M"]) -> float:
    """The share of pairs in which the first is larger; ties count half, and half means that nobody can tell.

    >>> auc(np.array([0.9, 0.5]), np.array([0.1, 0.5]))
    0.875
    """
    return float((above[:, None] > below).mean() + (above[:, None] == below).mean() / 2)
