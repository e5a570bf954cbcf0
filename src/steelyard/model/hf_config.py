"""The architecture that a config.json describes, where all of it is known here.

Every key that changes the computation is read. A value that our code does not have (another activation, a rotary rule
that is not here, soft-capped scores) makes it None, and such a model is left to transformers.

A model whose attention was chosen by name may compute what no class of transformers computes. Its config.json then has
`model_type` "steelyard", the family under `base_model_type` and the variant under `attention`. So transformers refuses
the model, and does not silently compute another attention with its weights.
"""

from collections.abc import Mapping

from steelyard.core import decode, encode, require
from steelyard.core.json import JsonMapping, JsonObject
from steelyard.model.architecture import Architecture
from steelyard.model.full_attention import FullAttention
from steelyard.model.grouped_query import GroupedQuery
from steelyard.model.mix import Mix
from steelyard.model.positions import Rotary
from steelyard.model.sliding_window import SlidingWindow

FAMILY = ("llama", "qwen2", "qwen3", "mistral")
OWN_TYPE = "steelyard"
"""The model type of a model whose attention transformers does not have."""
MOST_LAYERS = 10_000
"""A config that claims more is damaged: each layer's attention is listed, and the list must fit into memory."""
WINDOW = 4096
WINDOWED_FROM = 28
"""What transformers takes where a config names no window, or no first layer that has one."""


def architecture_of(config: JsonMapping) -> Architecture | None:
    """The architecture that a config (config.json or `config.to_dict()`) describes; None where it is not known here."""
    chosen = chosen_attention(config)
    config = without_attention(config)
    kind = config.get("model_type")
    get = config.get
    rotary = _rotary(config)
    if kind not in FAMILY or rotary is None or not _plain(config):
        return None
    try:
        heads = int(config["num_attention_heads"])
        hidden = int(config["hidden_size"])
        kv_heads = int(get("num_key_value_heads") or heads)
        bias = bool(get("attention_bias"))
        attention = _attention(config, FullAttention() if heads == kv_heads else GroupedQuery())
        if attention is None:
            return None
        found = Architecture(
            vocab_size=int(config["vocab_size"]),
            hidden_size=hidden,
            intermediate_size=int(config["intermediate_size"]),
            num_heads=heads,
            num_kv_heads=kv_heads,
            head_dim=int(get("head_dim") or (128 if kind == "qwen3" else hidden // heads)),
            context_length=int(config["max_position_embeddings"]),
            eps=float(config["rms_norm_eps"]),
            rotary=rotary,
            attention=attention,
            tied=bool(get("tie_word_embeddings", False)),
            qkv_bias=kind == "qwen2" or bias,
            out_bias=kind in ("llama", "qwen3") and bias,
            mlp_bias=kind == "llama" and bool(get("mlp_bias")),
            qk_norm=kind == "qwen3",
        )
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None  # transformers says what is wrong with it
    return found if chosen is None else found.with_attention(chosen)


def chosen_attention(config: JsonMapping) -> Mix | None:
    """The variant that our own kind of config names; None in any other config.

    Raises:
        SteelyardError: it names a variant that is not registered, or settings that the variant does not have.
    """
    if config.get("model_type") != OWN_TYPE:
        return None
    named = config.get("attention")
    hint = "save the model again"
    require(isinstance(named, dict), "names no attention", where="config.json", hint=hint)
    mix = decode(dict(named or {}), where="config.json attention")
    require(isinstance(mix, Mix), f"{type(mix).__name__} is no attention", where="config.json", hint=hint)
    return mix


def without_attention(config: JsonMapping) -> JsonMapping:
    """The config of the family that our own kind of config is based on; any other config as it is."""
    if config.get("model_type") != OWN_TYPE:
        return config
    rest = {key: value for key, value in config.items() if key not in ("attention", "base_model_type")}
    return rest | {"model_type": config.get("base_model_type")}


def with_attention(config: JsonMapping, mix: Mix) -> JsonObject:
    """The config of the same sizes with another attention; the reverse of `chosen_attention`."""
    base = without_attention(config)
    return {**base, "model_type": OWN_TYPE, "base_model_type": base["model_type"], "attention": encode(mix)}


def _attention(config: JsonMapping, full: Mix) -> tuple[Mix, ...] | None:
    """The attention of each layer; None where the config contradicts itself or the layers are of another kind."""
    kind = config.get("model_type")
    layers = int(config["num_hidden_layers"])
    if layers > MOST_LAYERS:
        return None
    window = config.get("sliding_window", WINDOW)
    slides = kind == "mistral" or (kind in ("qwen2", "qwen3") and bool(config.get("use_sliding_window")))
    narrow = SlidingWindow(int(window)) if slides and window is not None and int(window) >= 1 else None
    named = config.get("layer_types")
    if named is None:
        first = 0 if kind == "mistral" else int(config.get("max_window_layers", WINDOWED_FROM))
        named = ["full_attention" if narrow is None or i < first else "sliding_attention" for i in range(layers)]
    if len(named) != layers:
        return None
    kinds: dict[str, Mix | None] = {"full_attention": full, "sliding_attention": narrow}
    # Mistral's own code gives every layer the window, whatever its config lists.
    mixed = kind == "mistral" and narrow is not None and "full_attention" in named
    found = [kinds.get(name) for name in named]
    return None if mixed or None in found else tuple(mix for mix in found if mix is not None)


def _plain(config: JsonMapping) -> bool:
    """No activation, tensor parallelism or quantisation that our code does not have."""
    get = config.get
    return bool(
        get("hidden_act") == "silu"
        and get("pretraining_tp", 1) == 1
        and get("quantization_config") is None
        and get("partial_rotary_factor") in (None, 1.0)
    )


def _rotary(config: JsonMapping) -> Rotary | None:
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
