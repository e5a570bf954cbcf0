"""How a decoder's weights are rearranged for decoding, so that a step takes few operations.

    norms       x / hypot(|x|, sqrt(D eps)); their gains, and sqrt(D), are multiplied into the weights that follow
                (on a GPU x / sqrt(mean x^2 + eps), which is one operation there, and the gains alone)
    embedding   its scale is multiplied into it
    attention   one weight for queries, keys and values; the scale of scores is multiplied into the queries' rows
    rotation    pairs of dimensions lie side by side, so that it is one product of complex numbers

Gains of norms that nothing linear follows stay apart. D hidden size, E head size, V vocabulary.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from steelyard.model import Architecture
from steelyard.rollout.int8_projection import Int8
from steelyard.rollout.projection import Projection, projection

Part = Callable[[str, str], Tensor | None]
"""A layer's weight or bias by its name; None where there is none."""


@dataclass(frozen=True)
class Layer:
    """The weights of one block."""

    qkv: Projection
    gains: Tensor | None
    """Gains of the norms of queries and keys [heads, E]; None for a model without such norms."""
    out: Projection
    gate: Projection
    up: Projection
    down: Projection
    after_attention: Tensor | None
    """Gains [D] of the norm of what attention adds; None for a model without that norm."""
    after_mlp: Tensor | None
    """Likewise of the feed-forward part."""


@dataclass(frozen=True)
class Outer:
    """What stands before the first layer and after the last."""

    embedding: Tensor
    head: Projection | Int8


@dataclass(frozen=True)
class WeightLayout:
    """Makes the weights of a `Network`; everything is copied."""

    architecture: Architecture
    device: torch.device
    dtype: torch.dtype
    norm_scale: float
    """What a norm leaves to the weights that follow: sqrt(D), or 1."""
    int8_head: bool = False
    """Keep the head in 8 bits; see `int8_projection`."""

    @property
    def outer_names(self) -> set[str]:
        """The names of the weights of `outer`."""
        return {"model.embed_tokens.weight", "model.norm.weight", self._head_name}

    def layer_names(self, weights: Mapping[str, Tensor], index: int) -> set[str]:
        """The names of the weights of one block."""
        return {name for name in weights if name.startswith(f"model.layers.{index}.")}

    @property
    def _head_name(self) -> str:
        return "model.embed_tokens.weight" if self.architecture.tied else "lm_head.weight"

    def outer(self, weights: Mapping[str, Tensor]) -> Outer:
        """Embedding and head of weights that are named as in `Architecture.shapes`."""
        embedding = weights["model.embed_tokens.weight"].to(self.device, self.dtype, copy=True)
        scale = self.architecture.embedding_scale
        if scale != 1:
            embedding.mul_(torch.tensor(scale, dtype=self.dtype))
        head = weights[self._head_name]
        gain = self._gain(weights["model.norm.weight"])
        if self.int8_head:
            return Outer(embedding, Int8(head.float() * (gain * self.norm_scale)))
        return Outer(embedding, self._linear([head], norm=gain))

    def layer(self, weights: Mapping[str, Tensor], index: int) -> Layer:
        """The weights of one block."""
        a = self.architecture
        layer = f"model.layers.{index}."

        def part(name: str, kind: str = "weight") -> Tensor | None:
            return weights.get(f"{layer}{name}.{kind}")

        def gain(name: str | None) -> Tensor | None:
            return None if name is None else self._gain(weights[f"{layer}{name}.weight"])

        after_attention, after_mlp = (
            None if made is None else (made * self.norm_scale).to(self.device, self.dtype)
            for made in (gain(a.norms.after_attention), gain(a.norms.after_mlp))
        )
        qkv, bias = (self._qkv(part, kind) for kind in ("weight", "bias"))
        gate, up = self._gate_and_up(part, "weight")
        gate_bias, up_bias = self._gate_and_up(part, "bias")
        return Layer(
            qkv=self._linear(qkv, bias, gain(a.norms.before_attention)),
            gains=self._head_gains(part),
            out=self._linear([part("self_attn.o_proj")], [part("self_attn.o_proj", "bias")]),
            gate=self._linear([gate], [gate_bias], gain(a.norms.before_mlp)),
            up=self._linear([up], [up_bias], gain(a.norms.before_mlp)),
            down=self._linear([part("mlp.down_proj")], [part("mlp.down_proj", "bias")]),
            after_attention=after_attention,
            after_mlp=after_mlp,
        )

    def _qkv(self, part: Part, kind: str) -> list[Tensor | None]:
        """Queries, keys and values as they are stacked; Nones where there is no bias."""
        a = self.architecture
        queries = a.num_heads * a.head_dim
        keys = a.num_kv_heads * a.head_dim
        whole = part("self_attn.qkv_proj", kind)
        if whole is not None:
            q, k, v = whole.split((queries, keys, keys))
        else:
            q, k, v = (part(f"self_attn.{name}_proj", kind) for name in "qkv")
        if q is None or k is None:
            return [None]
        # With norms of queries and keys, the scale of scores is theirs.
        return [self._paired(q, 1.0 if a.qk_norm else self._score_scale), self._paired(k), v]

    def _gate_and_up(self, part: Part, kind: str) -> tuple[Tensor | None, Tensor | None]:
        whole = part("mlp.gate_up_proj", kind)
        if whole is None:
            return part("mlp.gate_proj", kind), part("mlp.up_proj", kind)
        gate, up = whole.chunk(2)
        return gate, up

    def _head_gains(self, part: Part) -> Float[Tensor, "heads E"] | None:
        """Gains of the norms of queries and keys, for each of their heads."""
        a = self.architecture
        q, k = (part(f"self_attn.{name}_norm", "weight") for name in "qk")
        if q is None or k is None:
            return None
        q_gain = self._paired(self._gain(q), self._score_scale).view(-1, a.head_dim)
        k_gain = self._paired(self._gain(k)).view(-1, a.head_dim)
        heads = (q_gain.expand(a.num_heads, -1), k_gain.expand(a.num_kv_heads, -1))
        return torch.cat(heads).to(self.device)

    @property
    def _score_scale(self) -> float:
        return self.architecture.head_dim**-0.5 * self.architecture.query_scale

    def _gain(self, weight: Tensor) -> Tensor:
        """What a norm with this weight multiplies by."""
        return weight.float() + self.architecture.norm_offset

    def _paired(self, rows: Float[Tensor, "HE ..."], scale: float = 1.0) -> Float[Tensor, "HE ..."]:
        """Dimensions i and i + half of a head are turned together: make them neighbours, before those that pass."""
        heads = rows.float().unflatten(0, (-1, self.architecture.head_dim)) * scale
        size = 2 * self.architecture.rotary.pairs(self.architecture.head_dim)
        turned, rest = heads.split((size, heads.shape[1] - size), 1)
        turned = turned.unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2)
        return torch.cat((turned, rest), 1).flatten(0, 1)

    def _linear(
        self, weights: list[Tensor | None], biases: list[Tensor | None] | None = None, norm: Tensor | None = None
    ) -> Projection:
        """Weights stacked along the output, each column times the gain of the norm before it, if there is one."""
        parts = [w.float() for w in weights if w is not None]
        whole = parts[0] if len(parts) == 1 else torch.cat(parts)  # a projection copies it in any case
        if norm is not None:
            whole = whole * (norm * self.norm_scale)
        present = [b.float() for b in biases or [] if b is not None]
        bias = torch.cat(present).to(self.device, self.dtype) if present else None
        return projection(whole.to(self.device, self.dtype), bias)


def tensors_of(part: Layer | Outer) -> Iterator[Tensor]:
    """All tensors of a part, in one order."""
    for value in vars(part).values():
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, Projection):
            yield from value.tensors()
