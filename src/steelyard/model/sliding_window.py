"""Sliding-window attention: every query sees the last `window` keys, its own among them.

    out[x] = softmax_y(q[x] . k[y] / sqrt(E)) v[y],   over x - window < y <= x

q [H, N, X, E], k and v [K, N, Y, E] -> [H, N, X, E]: H query heads, K key heads (shared as in grouped-query attention),
N rows, X queries, Y keys, E head size. Through L layers information travels L (window - 1) tokens. A window of T or
more is full attention over T tokens.
Source: Beltagy et al. 2020, arXiv:2004.05150; the window counts as in Mistral 7B, arXiv:2310.06825.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from steelyard.core import method
from steelyard.core.limits import PositiveInt
from steelyard.model.attention_mask import AttentionMask
from steelyard.model.mix import DecodeKernel, Mix, attend


@method("sliding-window", paper="arXiv:2004.05150")
@dataclass(frozen=True)
class SlidingWindow(Mix):
    """Softmax over the last keys up to the query."""

    window: PositiveInt = 4096
    """Keys that a query sees, its own among them (tokens)."""

    def __call__(
        self,
        q: Float[Tensor, "H N X E"],
        k: Float[Tensor, "K N Y E"],
        v: Float[Tensor, "K N Y E"],
        mask: AttentionMask,
    ) -> Float[Tensor, "H N X E"]:
        """The mixed values."""
        return attend(q, k, v, mask, self.window)

    def decode_kernel(self) -> DecodeKernel:
        """Softmax over the last keys."""
        return DecodeKernel(self.window)
