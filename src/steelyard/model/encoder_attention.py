"""The attention of an encoder as a part: how a layer's tokens hear each other, in both directions.

    x_NTD, carried = attention(x_NTD, rotation, mask, carried)

A variant is one file: a frozen dataclass of settings that inherits `EncoderAttention`, has `@method(id, ...)` above it
and builds the module of each layer. Unlike a decoder's variant (`steelyard.model.mix`) it may have weights, it may mix
along the length before scores are taken, and it may hand more than the tokens from layer to layer: `carried`, None
before the first.
`SelfAttention` has the projections; most variants only change how it mixes queries, keys and values.
Shapes: N rows, T tokens, D hidden size, H heads, E head size.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from steelyard.core import cards, decode, require, suggest
from steelyard.core.annotations import gives
from steelyard.core.json import JsonMapping
from steelyard.model.attention_mask import AttentionMask
from steelyard.model.mix import attend
from steelyard.model.positions import Rotation, rotate

Carried = Mapping[str, Tensor] | None
"""What a layer hands to the next one, by names that the variant chooses; None before the first layer."""
Heads = tuple[Float[Tensor, "H N T E"], Float[Tensor, "H N T E"], Float[Tensor, "H N T E"]]


@dataclass(frozen=True)
class LayerSizes:
    """What the attention of one layer must know of its encoder."""

    hidden_size: int
    num_heads: int
    context_length: int
    """The longest text (tokens)."""
    layer: int
    """The number of the layer, from 0."""


class EncoderMixing(nn.Module):
    """The attention of one layer, as `EncoderAttention.build` makes it."""

    @abstractmethod
    def forward(
        self, x_NTD: Float[Tensor, "N T D"], rotation: Rotation, mask: AttentionMask, carried: Carried
    ) -> tuple[Float[Tensor, "N T D"], Carried]:
        """What is added to the tokens, and what the next layer gets.

        Args:
            x_NTD: the tokens, already normed. What stands at padding is arbitrary and must not reach a real token.
            rotation: rotary positions, for `rotate`.
            mask: `mask.real` is false at padding.
            carried: what the layer before returned; None in the first.
        """

    @torch.no_grad()
    def draw(self, generator: torch.Generator) -> None:
        """Draw the weights that do not begin as N(0, 0.02^2); all have been drawn so before."""


class SelfAttention(EncoderMixing):
    """Full attention in both directions; a variant overrides `mix`.

    The names of its weights are ModernBERT's.
    """

    def __init__(self, sizes: LayerSizes) -> None:
        super().__init__()
        self.heads = sizes.num_heads
        self.Wqkv = nn.Linear(sizes.hidden_size, 3 * sizes.hidden_size, bias=False)
        self.Wo = nn.Linear(sizes.hidden_size, sizes.hidden_size, bias=False)

    def forward(
        self, x_NTD: Float[Tensor, "N T D"], rotation: Rotation, mask: AttentionMask, carried: Carried
    ) -> tuple[Float[Tensor, "N T D"], Carried]:
        """What is added to the tokens; nothing is carried."""
        q, k, v = self.project(x_NTD, rotation)
        return self.join(self.mix(q, k, v, mask)), carried

    def project(self, x_NTD: Float[Tensor, "N T D"], rotation: Rotation) -> Heads:
        """Queries, keys and values; the first two with rotary positions."""
        q, k, v = self.Wqkv(x_NTD).unflatten(-1, (3, self.heads, -1)).unbind(-3)
        q, k, v = (part.permute(2, 0, 1, 3) for part in (rotate(q, rotation), rotate(k, rotation), v))
        return q, k, v

    def join(self, mixed: Float[Tensor, "H N T E"]) -> Float[Tensor, "N T D"]:
        """The heads' results, brought together."""
        return self.Wo(mixed.permute(1, 2, 0, 3).flatten(-2))

    def mix(
        self,
        q: Float[Tensor, "H N T E"],
        k: Float[Tensor, "H N T E"],
        v: Float[Tensor, "H N T E"],
        mask: AttentionMask,
    ) -> Float[Tensor, "H N T E"]:
        """The mixed values: softmax(q k^T / sqrt(E) + mask) v."""
        return attend(q, k, v, mask)


@runtime_checkable
class EncoderAttention(Protocol):
    """Settings of an encoder's attention. None in place of one is full attention, as ModernBERT has it."""

    def build(self, sizes: LayerSizes) -> EncoderMixing:
        """The module of one layer.

        Raises:
            SteelyardError: the variant cannot be used with these sizes.
        """
        ...


def encoder_attention_names() -> list[str]:
    """The ids of all variants, sorted. Other kinds have a `build` too: what it is annotated to return decides."""
    return sorted(card.id for card in cards() if issubclass(gives(card.cls, "build"), EncoderMixing))


def encoder_attention_by_name(name: str, settings: JsonMapping | None = None) -> EncoderAttention | None:
    """The variant of that id, with its settings; None, full attention, for an empty name.

    Raises:
        SteelyardError: there is none, it has no such setting, or a value is out of range.
    """
    if not name:
        require(not settings, "has settings and no name", where="--attention", hint="name the variant, too")
        return None
    known = encoder_attention_names()
    require(name in known, f"unknown attention of encoders {name!r}", where="--attention", hint=suggest(name, known))
    return decode({"method": name, **(settings or {})}, where="--attention")
