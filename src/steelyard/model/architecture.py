"""What a decoder of the Llama and Qwen family is made of: its sizes, its attention, and the names of its weights.

    x = embed(tokens)
    x = x + attention(norm(x))              rotary positions; grouped keys and values; Qwen3 also norms queries and keys
    x = x + down(silu(gate(n)) * up(n)),    n = norm(x)
    logits = head(norm(x))                  the head may be the embedding

The forward pass for training (`Decoder`), the decode step of the native engine and the sharing of prompts all read this
one description.
"""

from dataclasses import dataclass, replace

from steelyard.model.mix import Mix
from steelyard.model.positions import Rotary


@dataclass(frozen=True)
class Architecture:
    """The sizes of a Llama-like decoder, and which of the family's variations it has."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    context_length: int
    eps: float
    rotary: Rotary
    attention: tuple[Mix, ...]
    """The attention variant of each layer."""
    tied: bool
    """The head is the embedding."""
    qkv_bias: bool
    out_bias: bool
    mlp_bias: bool
    qk_norm: bool

    @property
    def num_layers(self) -> int:
        """How many layers there are."""
        return len(self.attention)

    @property
    def decodes_natively(self) -> bool:
        """True where the native engine has a kernel for the attention of every layer."""
        return all(mix.decode_kernel() is not None for mix in self.attention)

    def with_attention(self, mix: Mix) -> "Architecture":
        """The same sizes with another attention in every layer.

        Raises:
            SteelyardError: the variant cannot use the model's heads.
        """
        mix.check(self.num_heads, self.num_kv_heads)
        return replace(self, attention=(mix,) * self.num_layers)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Parameter name, as transformers calls it -> shape; without the head where that is the embedding."""
        D = self.hidden_size
        M = self.intermediate_size
        queries = self.num_heads * self.head_dim
        keys = self.num_kv_heads * self.head_dim
        linears = {
            "self_attn.q_proj": (queries, D, self.qkv_bias),
            "self_attn.k_proj": (keys, D, self.qkv_bias),
            "self_attn.v_proj": (keys, D, self.qkv_bias),
            "self_attn.o_proj": (D, queries, self.out_bias),
            "mlp.gate_proj": (M, D, self.mlp_bias),
            "mlp.up_proj": (M, D, self.mlp_bias),
            "mlp.down_proj": (D, M, self.mlp_bias),
        }
        layer: dict[str, tuple[int, ...]] = {"input_layernorm.weight": (D,), "post_attention_layernorm.weight": (D,)}
        for name, (rows, columns, bias) in linears.items():
            layer[f"{name}.weight"] = (rows, columns)
            layer |= {f"{name}.bias": (rows,)} if bias else {}
        if self.qk_norm:
            layer |= {f"self_attn.{x}_norm.weight": (self.head_dim,) for x in "qk"}
        whole: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (self.vocab_size, D)}
        for i in range(self.num_layers):
            whole |= {f"model.layers.{i}.{name}": shape for name, shape in layer.items()}
        whole["model.norm.weight"] = (D,)
        return whole if self.tied else whole | {"lm_head.weight": (self.vocab_size, D)}
