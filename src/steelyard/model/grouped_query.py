"""Grouped-query attention: H query heads share K key and value heads, H / K each.

    out[h] = softmax(q[h] k[g]^T / sqrt(E) + mask) v[g],   g = floor(h K / H)

q [H, N, X, E], k and v [K, N, Y, E] -> [H, N, X, E]: N rows, X queries, Y keys, E head size. The cache is K / H of full
attention's; K = H is full attention, K = 1 is multi-query attention.
Source: Ainslie et al. 2023, arXiv:2305.13245.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from steelyard.core import method
from steelyard.model.attention_mask import AttentionMask
from steelyard.model.mix import DecodeKernel, Mix, attend


@method("grouped-query", paper="arXiv:2305.13245")
@dataclass(frozen=True)
class GroupedQuery(Mix):
    """Softmax over all keys up to the query; how many key heads there are is the model's own."""

    def __call__(
        self,
        q: Float[Tensor, "H N X E"],
        k: Float[Tensor, "K N Y E"],
        v: Float[Tensor, "K N Y E"],
        mask: AttentionMask,
    ) -> Float[Tensor, "H N X E"]:
        """The mixed values."""
        return attend(q, k, v, mask)

    def decode_kernel(self) -> DecodeKernel:
        """Softmax over all keys."""
        return DecodeKernel()
