"""One-class support vector machine with a linear kernel: the half-space away from the origin that holds most rows.

    min_a  1/2 |sum_i a_i x_i|^2,    0 <= a_i <= 1 / (nu N),  sum_i a_i = 1
    w = sum_i a_i x_i,    score(x) = w . x

At most a share nu of the rows lies outside of the half-space score(x) >= rho, whose rho is not needed where only scores
are compared. Two coefficients that break the conditions of optimality the most are changed at a time. N rows, F numbers
of a row. Source: Schoelkopf et al. 2001, Neural Computation 13(7).
"""

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from steelyard.core import require

STEPS = 20_000
"""Most changes of a pair; a few hundred rows take a few hundred."""
TOLERANCE = 1e-6
"""How far from optimal the largest pair may be, as a share of the largest squared length of a row."""


def fit_one_class(row_NF: Float[Tensor, "N F"], nu: float) -> Float64[Tensor, "F"]:
    """w.

    Raises:
        SteelyardError: there are no rows.
    """
    require(len(row_NF) > 0, "there are no rows", where="one-class", hint="give at least one")
    row_NF = row_NF.double()
    kernel_NN = row_NF @ row_NF.T
    length_N = kernel_NN.diagonal()
    share_N = torch.full_like(length_N, 1 / len(row_NF))
    most = 1 / (nu * len(row_NF))
    slope_N = kernel_NN @ share_N
    for _ in range(STEPS):
        gains = int(slope_N.masked_fill(share_N >= most, torch.inf).argmin())
        loses = int(slope_N.masked_fill(share_N <= 0, -torch.inf).argmax())
        gap = float(slope_N[loses] - slope_N[gains])
        if not gap > TOLERANCE * float(length_N.max()):
            break
        bend = float(length_N[gains] + length_N[loses] - 2 * kernel_NN[gains, loses])
        room = min(most - float(share_N[gains]), float(share_N[loses]))
        moved = min(gap / bend, room) if bend > 0 else room
        share_N[gains] += moved
        share_N[loses] = share_N[loses] - moved if moved < room else max(float(share_N[loses]) - moved, 0.0)
        slope_N += moved * (kernel_NN[gains] - kernel_NN[loses])
    return share_N @ row_NF
