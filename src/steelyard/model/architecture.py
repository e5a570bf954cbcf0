"""What a decoder of the Llama kind is made of: its sizes, its attention, its norms, and the names of its weights.

    x = scale embed(tokens)
    x = x + norm(attention(norm(x)))            rotary positions; grouped keys and values; norms of queries and keys
    x = x + norm(down(act(gate(n)) * up(n))),   n = norm(x)
    logits = head(norm(x))                      the head may be the embedding

Families differ in which of these norms they have, and in more that is a field here. The forward pass for training
(`Decoder`), the decode step of the native engine and the sharing of prompts all read this one description, and none of
them knows a family's name.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

from steelyard.core import id_of, require
from steelyard.model.mix import Mix
from steelyard.model.positions import Rotary

Activation = Literal["silu", "gelu_tanh"]
"""Of the gate: x sigmoid(x), or the approximation of x Phi(x) by a hyperbolic tangent."""


@dataclass(frozen=True)
class LayerNorms:
    """The names of a layer's norms at the four places where one may be; None where there is none."""

    before_attention: str | None = "input_layernorm"
    after_attention: str | None = None
    """Of what attention adds to the residual stream."""
    before_mlp: str | None = "post_attention_layernorm"
    after_mlp: str | None = None

    @property
    def names(self) -> list[str]:
        """Those that there are."""
        places = (self.before_attention, self.after_attention, self.before_mlp, self.after_mlp)
        return [name for name in places if name is not None]


@dataclass(frozen=True)
class Architecture:
    """The sizes of a Llama-like decoder, and which of the families' variations it has."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    context_length: int
    eps: float
    rotary: Rotary
    """The rule of positions; where layers have several, that of full attention."""
    attention: tuple[Mix, ...]
    """The attention variant of each layer."""
    tied: bool
    """The head is the embedding."""
    qkv_bias: bool
    out_bias: bool
    mlp_bias: bool
    qk_norm: bool
    """Queries and keys have norms."""
    qk_norm_whole: bool = False
    """These are over all heads together, not over each."""
    layer_rotary: tuple[Rotary | None, ...] = ()
    """The rule of each layer, None for one without positions; empty where all have `rotary`."""
    norms: LayerNorms = field(default_factory=LayerNorms)
    norm_offset: float = 0.0
    """Norms multiply by their weight and this: 1 where a weight of 0 changes nothing."""
    activation: Activation = "silu"
    embedding_scale: float = 1.0
    """Embeddings are multiplied by it, rounded as their numbers are."""
    query_scale: float = 1.0
    """Queries are multiplied by it, beside the 1 / sqrt(head_dim) of all scores."""
    fused: bool = False
    """Queries, keys and values are one weight, and so are gate and up."""

    @property
    def rotaries(self) -> tuple[Rotary | None, ...]:
        """The rule of positions of each layer."""
        return self.layer_rotary or (self.rotary,) * self.num_layers

    @property
    def num_layers(self) -> int:
        """How many layers there are."""
        return len(self.attention)

    @property
    def decodes_natively(self) -> bool:
        """True where the native engine has a kernel for the attention of every layer."""
        return not self.without_kernel

    @property
    def without_kernel(self) -> list[str]:
        """Names of the attention variants for which the native engine has none, sorted."""
        return sorted({id_of(mix) or type(mix).__name__ for mix in self.attention if mix.decode_kernel() is None})

    def with_attention(self, mix: Mix) -> "Architecture":
        """The same sizes with another attention in every layer.

        Raises:
            SteelyardError: the variant cannot use the model's heads, or its positions.
        """
        mix.check(self.num_heads, self.num_kv_heads)
        require(
            not mix.turns_itself() or {*self.rotaries} == {self.rotary},
            "turns queries by one rule for all layers, and the model's layers have several",
            where="--attention",
            hint="take another variant, or another model",
        )
        return replace(self, attention=(mix,) * self.num_layers)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Parameter name, as transformers calls it -> shape; without the head where that is the embedding."""
        D = self.hidden_size
        M = self.intermediate_size
        queries = self.num_heads * self.head_dim
        keys = self.num_kv_heads * self.head_dim
        fused_linears = {
            "self_attn.qkv_proj": (queries + 2 * keys, D, self.qkv_bias),
            "mlp.gate_up_proj": (2 * M, D, self.mlp_bias),
        }
        parted_linears = {
            "self_attn.q_proj": (queries, D, self.qkv_bias),
            "self_attn.k_proj": (keys, D, self.qkv_bias),
            "self_attn.v_proj": (keys, D, self.qkv_bias),
            "mlp.gate_proj": (M, D, self.mlp_bias),
            "mlp.up_proj": (M, D, self.mlp_bias),
        }
        linears = {
            **(fused_linears if self.fused else parted_linears),
            "self_attn.o_proj": (D, queries, self.out_bias),
            "mlp.down_proj": (D, M, self.mlp_bias),
        }
        layer: dict[str, tuple[int, ...]] = {f"{name}.weight": (D,) for name in self.norms.names}
        for name, (rows, columns, bias) in linears.items():
            layer[f"{name}.weight"] = (rows, columns)
            layer |= {f"{name}.bias": (rows,)} if bias else {}
        if self.qk_norm:
            q_size, k_size = (queries, keys) if self.qk_norm_whole else (self.head_dim, self.head_dim)
            layer |= {"self_attn.q_norm.weight": (q_size,), "self_attn.k_norm.weight": (k_size,)}
        whole: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (self.vocab_size, D)}
        for i in range(self.num_layers):
            whole |= {f"model.layers.{i}.{name}": shape for name, shape in layer.items()}
        whole["model.norm.weight"] = (D,)
        return whole if self.tied else whole | {"lm_head.weight": (self.vocab_size, D)}
