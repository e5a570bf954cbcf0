"""Optimal transport of one sample of numbers onto another, neuron by neuron: in one dimension, sorting solves it.

    W(u, v) = int_0^1 (u(q) - v(q))^2 dq          u(q), v(q) quantile functions: with N = M, mean_i (u_(i) - v_(i))^2

Both quantile functions are steps, so the integral is a sum over the K intervals between their edges, K < N + M.
Source: Villani 2003, Topics in Optimal Transportation, section 2.2. N and M sizes of the samples, D neurons.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


class Matched(NamedTuple):
    """Two samples as their optimal plan pairs them."""

    u_KD: Float[Tensor, "K D"]
    v_KD: Float[Tensor, "K D"]
    mass_K: Float[Tensor, "K"]
    """Of each pair; adds up to 1."""


def matched(u_ND: Float[Tensor, "N D"], v_MD: Float[Tensor, "M D"]) -> Matched:
    """The optimal plan from u to v, for each neuron by itself; with a gradient to both."""
    n, m = len(u_ND), len(v_MD)
    ends = [torch.arange(1, a + 1, device=u_ND.device) * b for a, b in ((n, m), (m, n))]
    edge_K = torch.cat(ends).unique()  # in units of 1 / (n m)
    mass_K = edge_K.diff(prepend=edge_K.new_zeros(1)).to(u_ND.dtype) / (n * m)
    return Matched(u_ND.sort(0).values[(edge_K - 1) // m], v_MD.sort(0).values[(edge_K - 1) // n], mass_K)


def wasserstein(u_ND: Float[Tensor, "N D"], v_MD: Float[Tensor, "M D"]) -> Float[Tensor, "D"]:
    """W of each neuron: the squared 2-Wasserstein distance of the two samples."""
    u_KD, v_KD, mass_K = matched(u_ND, v_MD)
    return mass_K @ (u_KD - v_KD).square()
