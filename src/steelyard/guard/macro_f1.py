"""The mean over classes of F1, so that a rare class counts as much as a common one. N examples.

F1_c = 2 |said c and is c| / (|said c| + |is c|),    over the classes that occur among labels or answers
"""

import torch
from jaxtyping import Int64
from torch import Tensor


def macro_f1(said_N: Int64[Tensor, "N"], label_N: Int64[Tensor, "N"]) -> float:
    """F1 of each class, averaged; 0 for no examples."""
    classes = torch.cat([said_N, label_N]).unique()
    each = [2 * ((said_N == c) & (label_N == c)).sum() / ((said_N == c).sum() + (label_N == c).sum()) for c in classes]
    return float(torch.stack(each).mean()) if each else 0.0
