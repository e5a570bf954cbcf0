"""The matrix products of generation, fused with the operation that follows them where that is faster.

    plain(x) = x W^T + b;  silu(x) = silu(plain(x));  gelu(x) = gelu(plain(x)), by tanh
    times(x, y) = plain(x) * y;  plus(x, y) = plain(x) + y

On a CPU, large weights are packed once for oneDNN, which is then 10 % to 70 % faster than a product that packs its
weight at every call. The operators are private to torch (its compiler uses them), and some processors lack them for
some number formats. So they are tried once for each format, and anything but the right numbers selects torch's
ordinary product.
"""

from functools import cache
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

PACKED = 2**16
"""Smallest number of weights that is packed for oneDNN; below it the overhead outweighs the gain."""
_ROWS = 64  # the batch size that the packing is tuned for; any other gives the same numbers
_TOLERANCE = 0.05  # of the probe, relative to outputs near 1: wide enough for bfloat16


@runtime_checkable
class Projection(Protocol):
    """A weight [out, in] with an optional bias [out], ready to multiply."""

    def plain(self, x: Float[Tensor, "N in"]) -> Float[Tensor, "N out"]:
        """x W^T + b."""
        ...

    def silu(self, x: Float[Tensor, "N in"]) -> Float[Tensor, "N out"]:
        """silu(x W^T + b)."""
        ...

    def gelu(self, x: Float[Tensor, "N in"]) -> Float[Tensor, "N out"]:
        """gelu(x W^T + b), approximated by a hyperbolic tangent."""
        ...

    def times(self, x: Float[Tensor, "N in"], y: Float[Tensor, "N out"]) -> Float[Tensor, "N out"]:
        """(x W^T + b) * y."""
        ...

    def plus(self, x: Float[Tensor, "N in"], y: Float[Tensor, "N out"]) -> Float[Tensor, "N out"]:
        """x W^T + b + y."""
        ...

    def tensors(self) -> list[Tensor]:
        """The weight as it is laid out, and the bias, if there is one."""
        ...


def projection(weight: Float[Tensor, "out in"], bias: Float[Tensor, "out"] | None) -> Projection:
    """The faster implementation for this weight on this machine."""
    large = weight.device.type == "cpu" and weight.numel() >= PACKED
    return _Packed(weight, bias) if large and packing_works(weight.dtype) else _Plain(weight, bias)


@cache
def packing_works(dtype: torch.dtype) -> bool:
    """True where oneDNN's packed products exist on this machine and give the numbers of the ordinary product.

    All five products of a small weight are computed both ways. The answer is kept for the life of the process.
    """
    if not torch.backends.mkldnn.is_available():
        return False
    weight = (torch.arange(256.0).view(16, 16).sin() / 4).to(dtype)
    x = torch.arange(64.0).view(4, 16).cos().to(dtype)
    expected = _all_products(_Plain(weight, weight[0]), x)
    try:
        found = _all_products(_Packed(weight, weight[0]), x)
    except (RuntimeError, AttributeError, NotImplementedError):
        return False  # no such operator, another signature, or a processor that it does not support
    return torch.allclose(found, expected, atol=_TOLERANCE, rtol=_TOLERANCE)


def _all_products(made: Projection, x: Tensor) -> Tensor:
    return torch.stack([made.plain(x), made.silu(x), made.gelu(x), made.times(x, x), made.plus(x, x)]).float()


class _Plain:
    """By torch's ordinary product, on any device."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self._weight = weight.t().clone(memory_format=torch.contiguous_format)
        self._bias = bias

    def plain(self, x: Tensor) -> Tensor:
        return x @ self._weight if self._bias is None else torch.addmm(self._bias, x, self._weight)

    def silu(self, x: Tensor) -> Tensor:
        return functional.silu(self.plain(x), inplace=True)

    def gelu(self, x: Tensor) -> Tensor:
        return functional.gelu(self.plain(x), approximate="tanh")

    def times(self, x: Tensor, y: Tensor) -> Tensor:
        return self.plain(x).mul_(y)

    def plus(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.addmm(y, x, self._weight) if self._bias is None else self.plain(x).add_(y)

    def tensors(self) -> list[Tensor]:
        return [self._weight, *([] if self._bias is None else [self._bias])]


class _Packed:
    """By oneDNN on a CPU; see `packing_works`."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), _ROWS)
        self._bias = bias

    def plain(self, x: Tensor) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, "none", [], "")

    def silu(self, x: Tensor) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, "swish", [], "")

    def gelu(self, x: Tensor) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, "gelu", [], "tanh")

    def times(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise.binary(x, y, self._weight, self._bias, "mul")

    def plus(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise.binary(x, y, self._weight, self._bias, "add")

    def tensors(self) -> list[Tensor]:
        return [self._weight, *([] if self._bias is None else [self._bias])]
