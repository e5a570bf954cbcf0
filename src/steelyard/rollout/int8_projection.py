"""A matrix product of generation with an 8-bit weight: a quarter of the memory that a decode step has to read.

    x W^T  =  (x c) (W / c)^T,   c[i] = (max_o |W[o, i]|)^BALANCE
    W / c  ~  s[o] q[o],   x c  ~  t[n] p[n],   s[o] and t[n] the largest of their row, over 127

q are integers from -127 to 127, p is rounded to as many steps, and their products are added up exactly. The balance c
shares the outliers of a channel between the two: a norm's gain may be 300 in one channel and 9 in most. Each row has a
scale of its own, so a completion does not depend on the rows beside it, not even in its last bits.

The product is oneDNN's, and the processor's instructions decide whether it pays. Its rows are unsigned, so 128 stands
for 0: with signed ones it was 20,000 times slower.
Source: Xiao et al. 2022, arXiv:2211.10438 (the balance). Ours needs no data.
Shapes: N rows.
"""

from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

BALANCE = 0.8
_ROWS = 16  # the batch size that the packing is tuned for; any other gives the same numbers
_ZERO = 128
_TINY = 1e-30  # for a row of zeros


class Int8:
    """A weight [out, in] of 8 bits, ready to multiply."""

    def __init__(self, weight: Float[Tensor, "out in"]) -> None:
        self._balance = weight.abs().amax(0).clamp(min=_TINY) ** BALANCE
        balanced = weight / self._balance
        self._scale = balanced.abs().amax(1).clamp(min=_TINY) / 127
        whole = (balanced / self._scale[:, None]).round_().to(torch.int8)
        self._packed = torch.ops.onednn.qlinear_prepack(whole, [_ROWS, weight.shape[1]])
        self._zeros = torch.zeros(len(weight), dtype=torch.long)

    def plain(self, x: Float[Tensor, "N in"]) -> Float[Tensor, "N out"]:
        """x W^T, in float32."""
        wide = x.float() * self._balance
        scale_N1 = wide.abs().amax(1, keepdim=True).clamp_(min=_TINY) / 127
        steps = (wide / scale_N1).round_().add_(_ZERO).to(torch.uint8)
        weight = (self._packed, self._scale, self._zeros, None)
        found = torch.ops.onednn.qlinear_pointwise(steps, 1.0, _ZERO, *weight, 1.0, 0, torch.float32, "none", [], "")
        return found.mul_(scale_N1)


@cache
def int8_works() -> bool:
    """True where torch has the operator and it gives the numbers of the ordinary product, but for rounding."""
    weight = torch.arange(256.0).view(16, 16).sin() / 4
    x = torch.arange(64.0).view(4, 16).cos()
    try:
        found = Int8(weight).plain(x)
    except (RuntimeError, AttributeError, NotImplementedError):
        return False  # no such operator, or a processor that it does not support
    return torch.allclose(found, x @ weight.T, atol=0.05, rtol=0.05)
