"""Decoder-only models of the Llama and Qwen family, read from a config: what our own code can compute.

    x = embed(tokens)
    x = x + attention(norm(x))              rotary positions; grouped keys and values; Qwen3 also norms queries and keys
    x = x + down(silu(gate(n)) * up(n)),    n = norm(x)
    logits = head(norm(x))                  the head may be the embedding

Anything else in a config (another activation, sliding windows, a rotary rule that is not here) makes it None, and such
a model is left to transformers.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Rotary:
    """How positions turn queries and keys: inverse frequencies theta^(-2i/D), for llama3 stretched at the low end."""

    theta: float
    kind: str = "default"
    factor: float = 1.0
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    original_context: int = 8192

    def inverse_frequencies(self, head_dim: int) -> Float[Tensor, "pairs"]:
        """Radians per position of each pair of dimensions."""
        inverse = 1.0 / self.theta ** (torch.arange(0, head_dim, 2, dtype=torch.int64).float() / head_dim)
        if self.kind == "linear":
            return inverse / self.factor
        if self.kind == "default":
            return inverse
        turns = self.original_context * inverse / (2 * math.pi)
        smooth = (turns - self.low_freq_factor) / (self.high_freq_factor - self.low_freq_factor)
        smooth = smooth.clamp(0, 1)
        return (1 - smooth) * inverse / self.factor + smooth * inverse


@dataclass(frozen=True)
class Architecture:
    """The sizes of a Llama-like decoder, and which of the family's variations it has."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    context_length: int
    eps: float
    rotary: Rotary
    tied: bool
    """The head is the embedding."""
    qkv_bias: bool
    out_bias: bool
    mlp_bias: bool
    qk_norm: bool

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


def architecture_of(config: Mapping[str, Any]) -> Architecture | None:
    """The architecture that a config (config.json or `config.to_dict()`) describes; None where it is not of the family.

    Every key that changes the computation is looked at; a value that our code does not have makes it None.
    """
    kind = config.get("model_type")
    get = config.get
    rotary = _rotary(config)
    if kind not in ("llama", "qwen2", "qwen3", "mistral") or rotary is None or not _plain(config):
        return None
    try:
        heads = int(config["num_attention_heads"])
        hidden = int(config["hidden_size"])
        bias = bool(get("attention_bias"))
        return Architecture(
            vocab_size=int(config["vocab_size"]),
            hidden_size=hidden,
            intermediate_size=int(config["intermediate_size"]),
            num_layers=int(config["num_hidden_layers"]),
            num_heads=heads,
            num_kv_heads=int(get("num_key_value_heads") or heads),
            head_dim=int(get("head_dim") or (128 if kind == "qwen3" else hidden // heads)),
            context_length=int(config["max_position_embeddings"]),
            eps=float(config["rms_norm_eps"]),
            rotary=rotary,
            tied=bool(get("tie_word_embeddings", False)),
            qkv_bias=kind == "qwen2" or bias,
            out_bias=kind in ("llama", "qwen3") and bias,
            mlp_bias=kind == "llama" and bool(get("mlp_bias")),
            qk_norm=kind == "qwen3",
        )
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None  # transformers says what is wrong with it


def _plain(config: Mapping[str, Any]) -> bool:
    """No activation, window, tensor parallelism or quantisation that our code does not have."""
    get = config.get
    windows = get("use_sliding_window", get("model_type") == "mistral") and get("sliding_window") is not None
    full = all(layer == "full_attention" for layer in get("layer_types") or [])
    return bool(
        get("hidden_act") == "silu"
        and not windows
        and full
        and get("pretraining_tp", 1) == 1
        and get("quantization_config") is None
        and get("partial_rotary_factor") in (None, 1.0)
    )


def _rotary(config: Mapping[str, Any]) -> Rotary | None:
    """Newer configs have `rope_parameters`, older ones `rope_theta` and `rope_scaling`."""
    rules = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if not isinstance(rules, Mapping):
        return None
    theta = rules.get("rope_theta", config.get("rope_theta", 10000.0))
    kind = rules.get("rope_type", rules.get("type", "default"))
    try:
        if kind == "default":
            return Rotary(float(theta))
        if kind == "linear":
            return Rotary(float(theta), kind, float(rules["factor"]))
        if kind == "llama3":
            factor, low, high = (float(rules[key]) for key in ("factor", "low_freq_factor", "high_freq_factor"))
            return Rotary(float(theta), kind, factor, low, high, int(rules["original_max_position_embeddings"]))
    except (KeyError, TypeError, ValueError):
        return None
    return None
