"""Full attention: every query head has keys and values of its own, and sees all keys up to itself.

    out = softmax(q k^T / sqrt(E) + mask) v

q [H, N, X, E], k and v [H, N, Y, E] -> [H, N, X, E]: H heads, N rows, X queries, Y keys, E head size.
Source: Vaswani et al. 2017, arXiv:1706.03762.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from steelyard.core import method, require
from steelyard.model.attention_mask import AttentionMask
from steelyard.model.mix import DecodeKernel, Mix, attend


@method("full-attention", paper="arXiv:1706.03762")
@dataclass(frozen=True)
class FullAttention(Mix):
    """Softmax over all keys up to the query."""

    def __call__(
        self,
        q: Float[Tensor, "H N X E"],
        k: Float[Tensor, "H N Y E"],
        v: Float[Tensor, "H N Y E"],
        mask: AttentionMask,
    ) -> Float[Tensor, "H N X E"]:
        """The mixed values."""
        return attend(q, k, v, mask)

    def decode_kernel(self) -> DecodeKernel:
        """Softmax over all keys."""
        return DecodeKernel()

    def check(self, num_heads: int, num_kv_heads: int) -> None:
        """Every query head needs a key head.

        Raises:
            SteelyardError: there are fewer key heads.
        """
        what = f"the model has {num_kv_heads} key heads for {num_heads} query heads"
        require(num_heads == num_kv_heads, what, where="--attention", hint="use grouped-query")
