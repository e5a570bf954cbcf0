"""The families of decoders that are read without transformers: how each differs from Llama, as data.

    family        norms of a layer                     norms of q, k    window                    positions
    llama         before attention and feed-forward    none             none                      one rule
    mistral       as llama                             none             every layer               one rule
    qwen2         as llama; biases of q, k, v          none             later layers, if asked    one rule
    qwen3         as llama                             of each head     later layers, if asked    one rule
    phi3          as llama; q, k, v and gate, up fused none             every layer               part of a head
    smollm3       as llama                             none             every 4th layer, if asked not in every 4th layer
    olmo2         after attention and feed-forward     over all heads   none                      one rule
    olmo3         as olmo2                             over all heads   3 of 4 layers             a rule for each kind
    gemma3_text   before and after both                of each head     5 of 6 layers             a rule for each kind

A value that is missing in a config.json is what transformers takes then. `hf_config` reads the rest by these rules.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from steelyard.core.json import JsonMapping
from steelyard.model.architecture import Activation, LayerNorms

Bias = Literal["never", "asked", "always"]
"""Whether a linear map has a bias: `asked` where the config says so."""
Windowed = Callable[[JsonMapping, int], bool]
"""Whether a layer has the window, by the config and the layer's index, where no list says it."""

BEFORE = LayerNorms()
AROUND = LayerNorms(
    "input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm"
)
AFTER = LayerNorms(None, "post_attention_layernorm", None, "post_feedforward_layernorm")
MISTRAL_WINDOW = 4096
"""What transformers takes where a config names no window, in most families."""


def never(config: JsonMapping, layer: int) -> bool:
    """No layer has a window."""
    return False


def _always(config: JsonMapping, layer: int) -> bool:
    return True


def _later(config: JsonMapping, layer: int) -> bool:
    return layer >= int(config.get("max_window_layers", 28))


def _without_positions(config: JsonMapping, layer: int) -> bool:
    return not rotates(config, layer)


def _not_fourth(config: JsonMapping, layer: int) -> bool:
    return (layer + 1) % 4 != 0


def _by_pattern(config: JsonMapping, layer: int) -> bool:
    return (layer + 1) % int(config.get("sliding_window_pattern", 6)) != 0


def rotates(config: JsonMapping, layer: int) -> bool:
    """Whether a layer of SmolLM3 has positions: those listed with 1, by default all but every fourth."""
    listed = config.get("no_rope_layers")
    if listed is None:
        return (layer + 1) % int(config.get("no_rope_layer_interval", 4)) != 0
    return bool(listed[layer])


@dataclass(frozen=True)
class Family:
    """One family; the defaults are Llama's."""

    qkv_bias: Bias = "asked"
    out_bias: Bias = "asked"
    mlp_bias: Bias = "never"
    norms: LayerNorms = BEFORE
    norm_offset: float = 0.0
    qk_norm: bool = False
    qk_norm_whole: bool = False
    head_dim: int | None = None
    """Where the config names none; None takes hidden size / heads."""
    activations: tuple[str, Activation] = ("silu", "silu")
    """The name in the config, and ours."""
    activation_key: str = "hidden_act"
    tied: bool = False
    theta: float = 10_000.0
    local_theta: float | None = None
    """Layers with a window have a rule of positions of their own, with this base; None for one rule."""
    part_turned: bool = False
    """A config may have only part of each head turned."""
    skips_positions: bool = False
    """Layers may have no positions; see `rotates`."""
    windowed: Windowed = never
    window: int | None = MISTRAL_WINDOW
    window_asked: bool = False
    """Only where `use_sliding_window` is true."""
    lists_layers: bool = True
    """The list `layer_types` is heeded; else every layer is alike, whatever it says."""
    fused: bool = False
    pretrained_apart: bool = False
    """`pretraining_tp` may say anything: transformers computes the same."""
    scaled: bool = False
    """Embeddings are multiplied by sqrt(hidden size), and queries by what `query_pre_attn_scalar` says."""


FAMILIES: dict[str, Family] = {
    "llama": Family(mlp_bias="asked"),
    "mistral": Family(qkv_bias="never", out_bias="never", windowed=_always, lists_layers=False),
    "qwen2": Family(qkv_bias="always", out_bias="never", windowed=_later, window_asked=True),
    "qwen3": Family(qk_norm=True, head_dim=128, windowed=_later, window_asked=True),
    "phi3": Family(
        qkv_bias="never", out_bias="never", part_turned=True, windowed=_always, window=None, lists_layers=False,
        fused=True,
    ),
    "smollm3": Family(
        mlp_bias="asked", tied=True, theta=2e6, skips_positions=True, pretrained_apart=True,
        windowed=_without_positions, window=None, window_asked=True,
    ),
    "olmo2": Family(norms=AFTER, qk_norm=True, qk_norm_whole=True),
    "olmo3": Family(
        norms=AFTER, qk_norm=True, qk_norm_whole=True, theta=5e5, local_theta=5e5, windowed=_not_fourth
    ),
    "gemma3_text": Family(
        norms=AROUND, norm_offset=1.0, qk_norm=True, head_dim=256, activations=("gelu_pytorch_tanh", "gelu_tanh"),
        activation_key="hidden_activation", tied=True, theta=1e6, local_theta=1e4, windowed=_by_pattern,
        scaled=True,
    ),
}  # fmt: skip
"""By the `model_type` of config.json."""
