"""A decoder of the Llama kind in plain torch, with the parameters that transformers has, by the same names.

    x = embed(tokens);  per layer  x = x + norm(o(mix(rope(q(n)), rope(k(n)), v(n)))),   n = norm(x)
                                   x = x + norm(down(act(gate(n)) * up(n))),             n = norm(x)
    hidden = norm(x)

Which norms there are, what `act` is and whether q, k and v are one weight stands in the `Architecture`.

A layer sees tokens one by one, so its input may be rows [N, T, D] or a flat stream [S, D]. Only the `Layout` knows how
tokens are arranged: it brings queries, keys and values into rectangles and lets the layer's attention variant mix them.
Norms and angles are float32 whatever the weights are, as in transformers.
Shapes: N rows, T steps, D hidden size, H heads for queries, K for keys and values, E head size.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import linear

from steelyard.model.architecture import Architecture
from steelyard.model.attention_mask import AttentionMask
from steelyard.model.key_value_cache import KeyValueCache
from steelyard.model.layers import GatedMLP, Linear, RMSNorm, ScaledEmbedding
from steelyard.model.positions import Rotary, Rotation, rotate, rotation_of

Layout = Callable[[int, Tensor, Tensor, Tensor], Tensor]
"""Attention of one layer: (layer, queries [..., H, E], keys [..., K, E], values [..., K, E]) -> [..., H, E]."""


@dataclass(frozen=True)
class TiedHead:
    """The embedding, used the other way round."""

    embedding: nn.Embedding

    @property
    def weight(self) -> Tensor:
        """The embedding's own weight, [V, D]."""
        return self.embedding.weight

    def __call__(self, hidden: Tensor) -> Tensor:
        """Logits [..., V] of hidden states [..., D]."""
        return linear(hidden, self.weight)


class Decoder(nn.Module):
    """All parameters are 0 at first: load a state dict. A tied model has no `lm_head.weight`."""

    def __init__(self, architecture: Architecture, dtype: torch.dtype = torch.float32) -> None:
        """A decoder on the CPU; see `Architecture.shapes` for its parameters' names."""
        super().__init__()
        a = architecture
        self.architecture = a
        self.model = _Backbone(a, dtype)
        if not a.tied:
            self.lm_head = Linear(a.hidden_size, a.vocab_size, bias=False, dtype=dtype)
        self.rules = [*dict.fromkeys(rule for rule in a.rotaries if rule is not None)]
        """The different rules of positions that layers have."""
        self.count_positions()

    def count_positions(self) -> None:
        """Make the inverse frequencies of the different rules, on torch's default device.

        They are no parameter, and always float32: the decoder is made with its dtype, not cast to it.
        """
        a = self.architecture
        inverse = [rule.inverse_frequencies(a.head_dim) for rule in self.rules or [a.rotary]]
        self.register_buffer("inverse", torch.stack(inverse), persistent=False)

    @property
    def head(self) -> nn.Linear | TiedHead:
        """From hidden states to logits; its `weight` is [V, D]."""
        return TiedHead(self.model.embed_tokens) if self.architecture.tied else self.lm_head

    @property
    def like(self) -> Tensor:
        """A weight that has the model's number format and device, whatever adapters there are."""
        return self.model.norm.weight

    def forward(
        self,
        input_ids: Int[Tensor, "N T"],
        attention_mask: Int[Tensor, "N S"] | None = None,
        position_ids: Int[Tensor, "N T"] | None = None,
        past_key_values: KeyValueCache | None = None,
        use_cache: bool = False,
    ) -> tuple[Float[Tensor, "N T D"]]:
        """Hidden states of rows padded on either side, named and returned as by a transformers backbone.

        Args:
            input_ids: tokens.
            attention_mask: 0 at padding, for the S tokens of the cache and of `input_ids` together.
            position_ids: by default the columns of `input_ids`.
            past_key_values: what was read before; the new tokens are added to it.
            use_cache: of no effect: a cache is used where one is given.
        """
        if position_ids is None:
            position_ids = torch.arange(input_ids.shape[1], device=input_ids.device)[None]
        before = 0 if past_key_values is None else past_key_values.length
        steps = before + input_ids.shape[1]
        rotary = self.architecture.rotary
        mask = AttentionMask.of_rows(attention_mask, steps, self.like, before=before, rotary=rotary)
        layout = RowLayout(self.architecture, mask, past_key_values)
        return (self.hidden(input_ids, position_ids, layout),)

    def hidden(
        self, tokens: Int[Tensor, "..."], positions: Int[Tensor, "..."], layout: Layout
    ) -> Float[Tensor, "... D"]:
        """Hidden states of tokens in any arrangement that `layout` knows, with the final norm applied."""
        x = self.model.embed_tokens(tokens)
        rotations: dict[Rotary | None, Rotation | None] = {None: None}
        for rule, inverse in zip(self.rules, self.get_buffer("inverse"), strict=False):
            rotations[rule] = rotation_of(positions, inverse, self.architecture.num_heads, x.dtype)
        for layer, rule in zip(self.model.layers, self.architecture.rotaries, strict=True):
            x = layer(x, rotations[rule], layout)
        return self.model.norm(x)


class RowLayout:
    """Rows [N, T, heads, E] that share one mask, with the keys and values that were read before, if any."""

    def __init__(self, architecture: Architecture, mask: AttentionMask, cache: KeyValueCache | None = None) -> None:
        self.attention = architecture.attention
        self.mask = mask
        self.cache = cache

    def __call__(
        self, layer: int, q: Float[Tensor, "N T H E"], k: Float[Tensor, "N T K E"], v: Float[Tensor, "N T K E"]
    ) -> Float[Tensor, "N T H E"]:
        """The layer's attention."""
        q, k, v = (x.permute(2, 0, 1, 3) for x in (q, k, v))
        if self.cache is not None:
            k, v = self.cache.extend(layer, k, v)
        return self.attention[layer](q, k, v, self.mask).permute(1, 2, 0, 3)


class _Backbone(nn.Module):
    def __init__(self, a: Architecture, dtype: torch.dtype) -> None:
        super().__init__()
        self.embed_tokens = ScaledEmbedding(a.vocab_size, a.hidden_size, a.embedding_scale, dtype)
        self.layers = nn.ModuleList(_Layer(a, layer, dtype) for layer in range(a.num_layers))
        self.norm = RMSNorm(a.hidden_size, a.eps, dtype, a.norm_offset)


class _Layer(nn.Module):
    def __init__(self, a: Architecture, layer: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.norms = a.norms
        self.self_attn = _Attention(a, layer, dtype)
        self.mlp = GatedMLP(
            a.hidden_size, a.intermediate_size, bias=a.mlp_bias, activation=a.activation, fused=a.fused, dtype=dtype
        )
        for name in a.norms.names:
            self.add_module(name, RMSNorm(a.hidden_size, a.eps, dtype, a.norm_offset))

    def forward(self, x: Tensor, rotation: Rotation | None, layout: Layout) -> Tensor:
        heard = self.self_attn(self._normed(x, self.norms.before_attention), rotation, layout)
        x = x + self._normed(heard, self.norms.after_attention)
        found = self.mlp(self._normed(x, self.norms.before_mlp))
        return x + self._normed(found, self.norms.after_mlp)

    def _normed(self, x: Tensor, name: str | None) -> Tensor:
        return x if name is None else self.get_submodule(name)(x)


class _Attention(nn.Module):
    """Projections, norms of queries and keys, and rotary positions around the layer's attention variant."""

    def __init__(self, a: Architecture, layer: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.layer = layer
        self.head_dim = a.head_dim
        self.turned = not a.attention[layer].turns_itself()
        self.fused = a.fused
        self.norms_whole = a.qk_norm_whole
        self.scale = a.query_scale
        queries = a.num_heads * a.head_dim
        keys = a.num_kv_heads * a.head_dim
        self.sizes = (queries, keys, keys)
        if a.fused:
            self.qkv_proj = Linear(a.hidden_size, sum(self.sizes), bias=a.qkv_bias, dtype=dtype)
        else:
            self.q_proj = Linear(a.hidden_size, queries, bias=a.qkv_bias, dtype=dtype)
            self.k_proj = Linear(a.hidden_size, keys, bias=a.qkv_bias, dtype=dtype)
            self.v_proj = Linear(a.hidden_size, keys, bias=a.qkv_bias, dtype=dtype)
        self.o_proj = Linear(queries, a.hidden_size, bias=a.out_bias, dtype=dtype)
        widths = (queries, keys) if a.qk_norm_whole else (a.head_dim, a.head_dim)
        self.q_norm, self.k_norm = (
            RMSNorm(width, a.eps, dtype, a.norm_offset) if a.qk_norm else nn.Identity() for width in widths
        )

    def forward(self, x: Tensor, rotation: Rotation | None, layout: Layout) -> Tensor:
        if self.fused:
            q, k, v = self.qkv_proj(x).split(self.sizes, -1)
        else:
            q, k, v = (proj(x) for proj in (self.q_proj, self.k_proj, self.v_proj))
        q = self._heads(q, self.q_norm)
        k = self._heads(k, self.k_norm)
        v = v.unflatten(-1, (-1, self.head_dim))
        if self.scale != 1:
            q = q * self.scale
        if self.turned and rotation is not None:
            q = rotate(q, rotation)
            k = rotate(k, rotation)
        return self.o_proj(layout(self.layer, q, k, v).flatten(-2))

    def _heads(self, x: Tensor, norm: nn.Module) -> Tensor:
        """Queries or keys head by head, with their norm."""
        if self.norms_whole:
            return norm(x).unflatten(-1, (-1, self.head_dim))
        return norm(x.unflatten(-1, (-1, self.head_dim)))
