"""A decoder of the Llama and Qwen family in plain torch, with the parameters that transformers has, by the same names.

    x = embed(tokens);  per layer  x = x + o(mix(rope(q(n)), rope(k(n)), v(n))),   n = norm(x)
                                   x = x + down(silu(gate(n)) * up(n)),            n = norm(x)
    hidden = norm(x)

A layer sees tokens one by one, so what it is given may be rows [N, T, D] or a flat stream [S, D]; only `mix`, the
attention, knows which tokens see which. Norms and angles are float32 whatever the weights are, as in transformers.
Shapes: N rows, T steps, D hidden size, H heads for queries, K for keys and values, E head size.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention, silu

from steelyard.policy.architecture import Architecture

Mix = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Attention: queries [..., H, E] with keys and values [..., K, E] -> [..., H, E]."""
Rotation = tuple[Tensor, Tensor]
"""Cosines, and sines with the sign that the first half of a head takes, [..., H, E] of each token's position."""
SHORT = 64
"""Keys up to which plain matrix products beat the fused attention on the CPU, forward and backward."""


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
        a = self.architecture = architecture
        self.model = _Backbone(a, dtype)
        if not a.tied:
            self.lm_head = _Linear(a.hidden_size, a.vocab_size, bias=False, dtype=dtype)
        # Not a parameter, and float32 for good: the decoder is made with its dtype, not cast to it.
        self.register_buffer("inverse", a.rotary.inverse_frequencies(a.head_dim), persistent=False)

    @property
    def head(self) -> nn.Linear | TiedHead:
        """From hidden states to logits; its `weight` is [V, D]."""
        return TiedHead(self.model.embed_tokens) if self.architecture.tied else self.lm_head

    def forward(
        self,
        input_ids: Int[Tensor, "N T"],
        attention_mask: Int[Tensor, "N T"] | None = None,
        position_ids: Int[Tensor, "N T"] | None = None,
        use_cache: bool = False,
    ) -> tuple[Float[Tensor, "N T D"]]:
        """Hidden states of rows padded on either side, as a transformers backbone gives them; there is no cache."""
        if position_ids is None:
            position_ids = torch.arange(input_ids.shape[1], device=input_ids.device)[None]
        mix = _Causal(attention_mask, self.head.weight, input_ids.shape[1])
        return (self.hidden(input_ids, position_ids, mix),)

    def hidden(self, tokens: Int[Tensor, "..."], positions: Int[Tensor, "..."], mix: Mix) -> Float[Tensor, "... D"]:
        """Hidden states of tokens in any arrangement that `mix` knows, with the final norm applied."""
        x = self.model.embed_tokens(tokens)
        rotation = self.rotation(positions, x.dtype)
        for layer in self.model.layers:
            x = layer(x, rotation, mix)
        return self.model.norm(x)

    def rotation(self, positions: Int[Tensor, "..."], dtype: torch.dtype) -> Rotation:
        """How queries and keys at these positions are turned."""
        angles = positions[..., None, None].float() * self.get_buffer("inverse")
        shape = (*positions.shape, self.architecture.num_heads, self.architecture.head_dim)
        cos, sin = (
            torch.cat(halves, -1).to(dtype).expand(shape).contiguous()
            for halves in ((angles.cos(), angles.cos()), (-angles.sin(), angles.sin()))
        )
        return cos, sin


class _Backbone(nn.Module):
    def __init__(self, a: Architecture, dtype: torch.dtype) -> None:
        super().__init__()
        empty = torch.zeros(a.vocab_size, a.hidden_size, dtype=dtype)
        self.embed_tokens = nn.Embedding.from_pretrained(empty, freeze=False)
        self.layers = nn.ModuleList(_Layer(a, dtype) for _ in range(a.num_layers))
        self.norm = _Norm(a.hidden_size, a.eps, dtype)


class _Layer(nn.Module):
    def __init__(self, a: Architecture, dtype: torch.dtype) -> None:
        super().__init__()
        self.self_attn = _Attention(a, dtype)
        self.mlp = _Gated(a, dtype)
        self.input_layernorm = _Norm(a.hidden_size, a.eps, dtype)
        self.post_attention_layernorm = _Norm(a.hidden_size, a.eps, dtype)

    def forward(self, x: Tensor, rotation: Rotation, mix: Mix) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), rotation, mix)
        return x + self.mlp(self.post_attention_layernorm(x))


class _Attention(nn.Module):
    def __init__(self, a: Architecture, dtype: torch.dtype) -> None:
        super().__init__()
        D = a.hidden_size
        H = a.num_heads
        K = a.num_kv_heads
        E = a.head_dim
        self.head_dim = E
        self.q_proj = _Linear(D, H * E, bias=a.qkv_bias, dtype=dtype)
        self.k_proj = _Linear(D, K * E, bias=a.qkv_bias, dtype=dtype)
        self.v_proj = _Linear(D, K * E, bias=a.qkv_bias, dtype=dtype)
        self.o_proj = _Linear(H * E, D, bias=a.out_bias, dtype=dtype)
        if a.qk_norm:
            self.q_norm = _Norm(E, a.eps, dtype)
            self.k_norm = _Norm(E, a.eps, dtype)
        else:
            self.q_norm = nn.Identity()
            self.k_norm = nn.Identity()

    def forward(self, x: Tensor, rotation: Rotation, mix: Mix) -> Tensor:
        q, k, v = (proj(x).unflatten(-1, (-1, self.head_dim)) for proj in (self.q_proj, self.k_proj, self.v_proj))
        q = _rotate(self.q_norm(q), rotation)
        k = _rotate(self.k_norm(k), rotation)
        return self.o_proj(mix(q, k, v).flatten(-2))


class _Gated(nn.Module):
    def __init__(self, a: Architecture, dtype: torch.dtype) -> None:
        super().__init__()
        D = a.hidden_size
        M = a.intermediate_size
        self.gate_proj = _Linear(D, M, bias=a.mlp_bias, dtype=dtype)
        self.up_proj = _Linear(D, M, bias=a.mlp_bias, dtype=dtype)
        self.down_proj = _Linear(M, D, bias=a.mlp_bias, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(silu(self.gate_proj(x)) * self.up_proj(x))


class _Linear(nn.Linear):
    def reset_parameters(self) -> None:
        """Nothing is drawn at random only to be loaded over."""
        for parameter in self.parameters():
            nn.init.zeros_(parameter)


class _Norm(nn.Module):
    def __init__(self, size: int, eps: float, dtype: torch.dtype) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(size, dtype=dtype))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        wide = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)
        return self.weight * wide.to(x.dtype)


def _rotate(x: Float[Tensor, "... E"], rotation: Rotation) -> Float[Tensor, "... E"]:
    cos, sin = (table[..., : x.shape[-2], :] for table in rotation)
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, -1), sin)


def attend(
    q: Float[Tensor, "H N X E"],
    k: Float[Tensor, "K N Y E"],
    v: Float[Tensor, "K N Y E"],
    mask: Float[Tensor, "*N X Y"],
    *,
    causal: bool = False,
) -> Float[Tensor, "H N X E"]:
    """Softmax attention of X queries to Y keys, in each of N rows; `mask` is added to the scores.

    With `causal` the mask is the causal one and may go unread.
    """
    if q.shape[0] > k.shape[0]:
        k, v = (x.repeat_interleave(q.shape[0] // k.shape[0], 0) for x in (k, v))
    if q.device.type == "cpu" and q.dtype is torch.float32 and k.shape[2] <= SHORT:
        return torch.add(mask, q @ k.transpose(2, 3), alpha=q.shape[-1] ** -0.5).softmax(-1) @ v
    return scaled_dot_product_attention(q, k, v, attn_mask=None if causal else mask, is_causal=causal)


def causal_mask(like: Tensor, steps: int) -> Float[Tensor, "T T"]:
    """0 where a step may look, minus infinity where that is later than itself."""
    return like.new_full((steps, steps), -math.inf).triu(1)


class _Causal:
    """Causal attention among rows of tokens; padding is not looked at, and what it itself says means nothing."""

    def __init__(self, attention_mask: Int[Tensor, "N T"] | None, like: Tensor, steps: int) -> None:
        self.mask = causal_mask(like, steps)
        # What is padded on the right is never looked at.
        self.causal = attention_mask is None or not bool((attention_mask[:, 1:] > attention_mask[:, :-1]).any())
        if attention_mask is not None and not self.causal:
            hidden_NT = (1.0 - attention_mask.to(like.dtype)) * torch.finfo(like.dtype).min
            # A token may always look at itself: a softmax over nothing is not a number.
            itself = torch.eye(steps, dtype=torch.bool, device=like.device)
            self.mask = self.mask + hidden_NT[None, :, None].masked_fill(itself, 0.0)

    def __call__(self, q: Float[Tensor, "N T H E"], k: Tensor, v: Tensor) -> Float[Tensor, "N T H E"]:
        q, k, v = (x.permute(2, 0, 1, 3) for x in (q, k, v))
        return attend(q, k, v, self.mask, causal=self.causal).permute(1, 2, 0, 3)
