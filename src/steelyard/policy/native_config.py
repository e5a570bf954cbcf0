"""What config.json and generation_config.json may say for a model to be read without transformers.

Every known key has its type here. An unknown key or another type means that the model is left to transformers.
"""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from steelyard.core.json import JsonObject

Count = Annotated[int, msgspec.Meta(ge=1)]
Id = Annotated[int, msgspec.Meta(ge=0)]
Ids = Id | list[Id] | None
Dtype = Literal["float32", "bfloat16", "float16"] | None
Number = float | int | None


class Rope(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The keys of the rotary rule in config.json, or of one for each kind of layer; `architecture_of` reads them."""

    rope_type: str | None = None
    type: str | None = None
    rope_theta: Number = None
    factor: Number = None
    low_freq_factor: Number = None
    high_freq_factor: Number = None
    original_max_position_embeddings: Count | None = None
    partial_rotary_factor: Number = None
    full_attention: "Rope | None" = None
    sliding_attention: "Rope | None" = None


class Config(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """The known keys of config.json, of any family; a family's own code heeds some of them."""

    model_type: str
    hidden_act: str | None = None
    hidden_activation: str | None = None
    vocab_size: Count
    hidden_size: Count
    intermediate_size: Count
    num_hidden_layers: Count
    num_attention_heads: Count
    num_key_value_heads: Count
    max_position_embeddings: Count
    rms_norm_eps: float
    head_dim: Count | None = None
    attention_bias: bool = False
    attention_dropout: float = 0.0
    embd_pdrop: float = 0.0
    resid_pdrop: float = 0.0
    mlp_bias: bool = False
    tie_word_embeddings: bool | None = None
    rope_parameters: Rope | None = None
    rope_scaling: Rope | None = None
    rope_theta: Number = None
    rope_local_base_freq: Number = None
    partial_rotary_factor: Number = None
    original_max_position_embeddings: Count | None = None
    no_rope_layers: list[int] | None = None
    no_rope_layer_interval: Count = 4
    query_pre_attn_scalar: Number = None
    attn_logit_softcapping: Number = None
    final_logit_softcapping: Number = None
    use_bidirectional_attention: bool | None = None
    sliding_window: int | None = None
    use_sliding_window: bool = False
    max_window_layers: int | None = None
    sliding_window_pattern: Count | None = None
    saved_window_pattern: Count | None = msgspec.field(default=None, name="_sliding_window_pattern")
    layer_types: list[str] | None = None
    pretraining_tp: int = 1
    bos_token_id: Ids = None
    eos_token_id: Ids = None
    pad_token_id: Id | None = None
    unk_token_id: Id | None = None
    initializer_range: float = 0.0
    use_cache: bool = True
    cache_implementation: str | None = None
    dtype: Dtype = None
    torch_dtype: Dtype = None
    architectures: list[str] | None = None
    transformers_version: str | None = None
    name_or_path: str = msgspec.field(default="", name="_name_or_path")
    model_name_or_path: str = msgspec.field(default="", name="_model_name_or_path")

    def to_dict(self) -> JsonObject:
        """The keys that are not at their defaults, under their names in the file."""
        return msgspec.to_builtins(self)


class Generation(msgspec.Struct, forbid_unknown_fields=True):
    """The known keys of generation_config.json; only `eos_token_id` is used."""

    eos_token_id: Ids = None
    bos_token_id: Ids = None
    pad_token_id: Ids = None
    do_sample: bool | None = None
    temperature: Number = None
    top_p: Number = None
    top_k: int | None = None
    repetition_penalty: Number = None
    max_length: int | None = None
    max_new_tokens: int | None = None
    use_cache: bool | None = None
    cache_implementation: str | None = None
    output_attentions: bool | None = None
    output_hidden_states: bool | None = None
    transformers_version: str | None = None
    from_model_config: bool | None = msgspec.field(default=None, name="_from_model_config")


def read_json(path: Path) -> Any:
    """The content of a JSON file; None where there is no file or no JSON in it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def known(data: object, kind: type[msgspec.Struct]) -> bool:
    """True for a dictionary whose keys are fields of `kind`, with values of their types."""
    try:
        msgspec.convert(data, kind)
    except (msgspec.ValidationError, RecursionError):
        return False
    return isinstance(data, dict)
