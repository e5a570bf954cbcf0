"""What a family's config means where it is silent, and what makes it unknown."""

import pytest

from steelyard.model import SlidingWindow, architecture_of
from steelyard.model.families import FAMILIES

SIZES = {
    "vocab_size": 28, "hidden_size": 16, "num_hidden_layers": 12, "num_attention_heads": 4, "intermediate_size": 24,
    "max_position_embeddings": 64, "rms_norm_eps": 1e-6, "hidden_act": "silu",
    "hidden_activation": "gelu_pytorch_tanh",
}  # fmt: skip


def _windows(**config):
    """The window of each layer; 0 where it has none."""
    found = architecture_of(SIZES | config)
    return None if found is None else [getattr(mix, "window", 0) for mix in found.attention]


def test_which_layers_have_a_window():
    assert _windows(model_type="gemma3_text") == [4096] * 5 + [0] + [4096] * 5 + [0]
    assert _windows(model_type="gemma3_text", sliding_window_pattern=3, sliding_window=7) == [7, 7, 0] * 4
    assert _windows(model_type="olmo3", sliding_window=7) == [7, 7, 7, 0] * 3
    assert _windows(model_type="mistral", sliding_window=7) == [7] * 12
    assert _windows(model_type="mistral") == [4096] * 12
    assert _windows(model_type="phi3") == [0] * 12
    assert _windows(model_type="phi3", sliding_window=7) == [7] * 12
    assert _windows(model_type="smollm3", sliding_window=7) == [0] * 12
    assert _windows(model_type="smollm3", sliding_window=7, use_sliding_window=True) == [0, 0, 0, 7] * 3
    assert _windows(model_type="qwen3", use_sliding_window=True, max_window_layers=10) == [0] * 10 + [4096] * 2


def test_a_list_of_layers_is_heeded_or_must_agree():
    listed = ["full_attention", "sliding_attention"] * 6
    assert _windows(model_type="gemma3_text", layer_types=listed, sliding_window=7) == [0, 7] * 6
    assert _windows(model_type="gemma3_text", layer_types=listed[:2]) is None
    assert _windows(model_type="gemma3_text", layer_types=listed, sliding_window=None) is None
    assert _windows(model_type="gemma3_text", layer_types=["chunked_attention"] * 12) is None
    assert _windows(model_type="mistral", layer_types=listed) is None
    assert _windows(model_type="phi3", layer_types=listed) is None


@pytest.mark.parametrize(
    "changes",
    [{"final_logit_softcapping": 30.0}, {"attn_logit_softcapping": 50.0}, {"use_bidirectional_attention": True},
     {"hidden_activation": "gelu"}, {"quantization_config": {}}, {"query_pre_attn_scalar": 0}],
    ids=str,
)  # fmt: skip
def test_what_our_code_does_not_have_is_left_to_transformers(changes):
    gemma = {**SIZES, "model_type": "gemma3_text"}
    assert architecture_of(gemma) is not None
    assert architecture_of(gemma | changes) is None


@pytest.mark.parametrize("kind", FAMILIES)
def test_silence_means_what_transformers_takes(kind):
    """Whatever transformers writes out of a config with sizes alone describes the same architecture."""
    import transformers

    said = transformers.AutoConfig.for_model(kind, **SIZES | {"num_key_value_heads": 2, "pad_token_id": None})
    silent = architecture_of(SIZES | {"model_type": kind, "num_key_value_heads": 2})
    assert silent is not None
    assert silent == architecture_of(said.to_dict())
    assert isinstance(silent.attention[0], SlidingWindow) == (kind in ("mistral", "olmo3", "gemma3_text"))
