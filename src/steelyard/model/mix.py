"""Attention as a part: how each query mixes the values of the keys that it sees.

    out[h, n, x] = sum_y weight(q[h, n, x], k[:, n]) v[g(h), n, y]

A variant is one file: a frozen dataclass that inherits `Mix`, has `@method(id, ...)` above it, and defines `__call__`.
That is enough to train with it, with prompts shared between samples, and to sample from it. A variant that the native
engine can compute says so by `decode_kernel`; any other generates on the model's own forward pass, which is slower.
Projections and norms of queries and keys belong to the layer, and so do rotary positions. A variant with a rule of its
own for far keys turns queries and keys itself (`turns_itself`).
Shapes: H query heads, K key heads, N rows, X queries, Y keys, E head size.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from steelyard.core import cards, decode, require, suggest
from steelyard.core.json import JsonMapping
from steelyard.model.attention_mask import AttentionMask

SHORT = 64
"""Keys up to which plain matrix products beat the fused attention on the CPU, forward and backward."""


@dataclass(frozen=True)
class DecodeKernel:
    """What the native engine can compute: softmax(q . k / sqrt(E)) over the last `window` keys, or over all."""

    window: int | None = None


@runtime_checkable
class Mix(Protocol):
    """An attention variant. A subclass must define `__call__` and may define the rest."""

    def __call__(
        self,
        q: Float[Tensor, "H N X E"],
        k: Float[Tensor, "K N Y E"],
        v: Float[Tensor, "K N Y E"],
        mask: AttentionMask,
    ) -> Float[Tensor, "H N X E"]:
        """The mixed values. What stands at padding is arbitrary, and must not reach a real token."""
        ...

    def decode_kernel(self) -> DecodeKernel | None:
        """The native engine's kernel for this variant; None where there is none, so that a slower engine generates."""
        return None

    def turns_itself(self) -> bool:
        """True where queries and keys come without rotary positions: the variant turns them, by `mask.rotary`."""
        return False

    def check(self, num_heads: int, num_kv_heads: int) -> None:
        """Refuse a model whose heads the variant cannot use.

        Raises:
            SteelyardError: it cannot use them.
        """


def attention_names() -> list[str]:
    """The ids of all attention variants, sorted."""
    return sorted(card.id for card in cards() if issubclass(card.cls, Mix))


def attention_by_name(name: str, settings: JsonMapping | None = None) -> Mix:
    """The variant of that id, with its settings.

    Raises:
        SteelyardError: there is none, it has no such setting, or a value is out of range.
    """
    known = attention_names()
    require(name in known, f"unknown attention {name!r}", where="--attention", hint=suggest(name, known))
    return decode({"method": name, **(settings or {})}, where="--attention")


def attend(
    q: Float[Tensor, "H N X E"],
    k: Float[Tensor, "K N Y E"],
    v: Float[Tensor, "K N Y E"],
    mask: AttentionMask,
    window: int | None = None,
) -> Float[Tensor, "H N X E"]:
    """Softmax attention, softmax(q . k / sqrt(E) + mask) v, where each key head serves H / K query heads."""
    if q.shape[0] > k.shape[0]:
        k, v = (x.repeat_interleave(q.shape[0] // k.shape[0], 0) for x in (k, v))
    if q.device.type == "cpu" and q.dtype is torch.float32 and k.shape[2] <= SHORT:
        return torch.add(mask.bias(window), q @ k.transpose(2, 3), alpha=q.shape[-1] ** -0.5).softmax(-1) @ v
    if mask.lower_triangular and (window is None or k.shape[2] <= window):
        return scaled_dot_product_attention(q, k, v, is_causal=True)
    return scaled_dot_product_attention(q, k, v, attn_mask=mask.bias(window))
