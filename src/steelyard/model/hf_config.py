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
from steelyard.model.families import FAMILIES, Bias, Family, never
from steelyard.model.full_attention import FullAttention
from steelyard.model.grouped_query import GroupedQuery
from steelyard.model.hf_positions import FULL, SLIDING, layer_rotary, rotary_of
from steelyard.model.mix import Mix
from steelyard.model.sliding_window import SlidingWindow

OWN_TYPE = "steelyard"
"""The model type of a model whose attention transformers does not have."""
MOST_LAYERS = 10_000
"""A config that claims more is damaged: each layer's attention is listed, and the list must fit into memory."""


def architecture_of(config: JsonMapping) -> Architecture | None:
    """The architecture that a config (config.json or `config.to_dict()`) describes; None where it is not known here."""
    chosen = chosen_attention(config)
    config = without_attention(config)
    family = FAMILIES.get(str(config.get("model_type")))
    if family is None or not _plain(config, family):
        return None
    try:
        found = _read(config, family)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, ZeroDivisionError):
        return None  # transformers says what is wrong with it
    return found if found is None or chosen is None else found.with_attention(chosen)


def _read(config: JsonMapping, family: Family) -> Architecture | None:
    """The same for a family's config; a key that is missing or of another kind raises whatever it does."""
    get = config.get
    heads = int(config["num_attention_heads"])
    hidden = int(config["hidden_size"])
    kv_heads = int(get("num_key_value_heads") or heads)
    head_dim = int(get("head_dim") or family.head_dim or hidden // heads)
    rotary = rotary_of(config, family)
    attention = _attention(config, family, FullAttention() if heads == kv_heads else GroupedQuery())
    if rotary is None or attention is None:
        return None
    by_layer = layer_rotary(config, family, rotary, [isinstance(mix, SlidingWindow) for mix in attention])
    if by_layer is None:
        return None
    asked = bool(get("attention_bias"))
    return Architecture(
        vocab_size=int(config["vocab_size"]),
        hidden_size=hidden,
        intermediate_size=int(config["intermediate_size"]),
        num_heads=heads,
        num_kv_heads=kv_heads,
        head_dim=head_dim,
        context_length=int(config["max_position_embeddings"]),
        eps=float(config["rms_norm_eps"]),
        rotary=rotary,
        attention=attention,
        tied=bool(get("tie_word_embeddings", family.tied)),
        qkv_bias=_has(family.qkv_bias, asked),
        out_bias=_has(family.out_bias, asked),
        mlp_bias=_has(family.mlp_bias, bool(get("mlp_bias"))),
        qk_norm=family.qk_norm,
        qk_norm_whole=family.qk_norm_whole,
        layer_rotary=by_layer,
        norms=family.norms,
        norm_offset=family.norm_offset,
        activation=family.activations[1],
        embedding_scale=hidden**0.5 if family.scaled else 1.0,
        query_scale=(head_dim / float(get("query_pre_attn_scalar", 256))) ** 0.5 if family.scaled else 1.0,
        fused=family.fused,
    )


def unknown_reason(config: JsonMapping) -> str:
    """Why `architecture_of` says None, as a clause: the family, its positions, or another of its settings."""
    kind = config.get("model_type")
    family = FAMILIES.get(str(kind))
    if family is None:
        return f"our own code does not have models of type {kind}"
    try:
        known = rotary_of(config, family) is not None
    except (KeyError, TypeError, ValueError):
        known = False
    if not known:
        rules = config.get("rope_parameters") or config.get("rope_scaling")
        found = str(rules.get("rope_type", rules.get("type"))) if isinstance(rules, Mapping) else "unreadable"
        return f"our own code does not have the rule of positions of this {kind} ({found})"
    return f"our own code does not have a setting of this {kind} (see its config.json)"


def _has(bias: Bias, asked: bool) -> bool:
    return bias == "always" or (bias == "asked" and asked)


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


def _attention(config: JsonMapping, family: Family, full: Mix) -> tuple[Mix, ...] | None:
    """The attention of each layer; None where the config contradicts itself or the layers are of another kind."""
    layers = int(config["num_hidden_layers"])
    if layers > MOST_LAYERS:
        return None
    asked = not family.window_asked or bool(config.get("use_sliding_window"))
    window = int(config.get("sliding_window", family.window) or 0)
    narrow = SlidingWindow(window) if family.windowed is not never and asked and window >= 1 else None
    silent = [SLIDING if narrow is not None and family.windowed(config, i) else FULL for i in range(layers)]
    named = config.get("layer_types")
    named = silent if named is None else named
    if len(named) != layers or (not family.lists_layers and named != silent):
        return None
    kinds: dict[str, Mix | None] = {FULL: full, SLIDING: narrow}
    found = [kinds.get(name) for name in named]
    return None if None in found else tuple(mix for mix in found if mix is not None)


def _plain(config: JsonMapping, family: Family) -> bool:
    """No activation, soft cap, tensor parallelism or quantisation that our code does not have."""
    get = config.get
    return bool(
        get(family.activation_key) == family.activations[0]
        and (family.pretrained_apart or get("pretraining_tp", 1) == 1)
        and get("quantization_config") is None
        and get("attn_logit_softcapping") is None
        and get("final_logit_softcapping") is None
        and not get("use_bidirectional_attention")
    )
