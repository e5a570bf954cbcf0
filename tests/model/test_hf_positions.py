"""One rule of positions or several, in newer configs and in older ones."""

import pytest

from steelyard.core import SteelyardError
from steelyard.model import FullAttention, Rotary, architecture_of

SIZES = {
    "vocab_size": 28, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 24, "max_position_embeddings": 64, "rms_norm_eps": 1e-6,
}  # fmt: skip
LLAMA = {**SIZES, "model_type": "llama", "hidden_act": "silu"}
GEMMA = {**SIZES, "model_type": "gemma3_text", "hidden_activation": "gelu_pytorch_tanh", "head_dim": 6,
         "query_pre_attn_scalar": 5, "sliding_window": 3, "sliding_window_pattern": 2}  # fmt: skip
LOCAL = {"rope_type": "default", "rope_theta": 20.0}
STRETCHED = {"rope_type": "linear", "rope_theta": 500.0, "factor": 8.0}


class Turning(FullAttention):
    """It would turn queries itself."""

    def turns_itself(self):
        return True

    def check(self, num_heads, num_kv_heads):
        """Any heads will do."""


def test_layers_with_a_window_have_a_rule_of_their_own():
    rules = {"sliding_attention": LOCAL, "full_attention": STRETCHED}
    found = architecture_of(GEMMA | {"rope_parameters": rules})
    assert found.rotary == Rotary(500.0, "linear", 8.0)
    assert found.rotaries == (Rotary(20.0), found.rotary)
    assert found.embedding_scale == 4.0
    assert found.query_scale == pytest.approx((6 / 5) ** 0.5)
    with pytest.raises(SteelyardError, match="by one rule for all layers, and the model's layers have several"):
        found.with_attention(Turning())


def test_a_layer_may_have_no_positions():
    smollm = {**SIZES, "model_type": "smollm3", "hidden_act": "silu", "num_hidden_layers": 5}
    found = architecture_of(smollm)
    assert [rule is None for rule in found.rotaries] == [False, False, False, True, False]
    assert found.rotary.theta == 2e6
    listed = architecture_of(smollm | {"no_rope_layers": [0, 1, 1, 1, 0]})
    assert [rule is None for rule in listed.rotaries] == [True, False, False, False, True]
    assert architecture_of(smollm | {"no_rope_layers": [0]}) is None


@pytest.mark.parametrize("silent", ["layer_types", "rope_parameters", "tie_word_embeddings"])
def test_an_older_config_of_gemma_3_is_read_as_transformers_reads_it(silent):
    """As Gemma 3 1B was published: a pattern, two bases, and no word of a tied head."""
    import transformers

    old = {"rope_theta": 1e6, "rope_local_base_freq": 1e4, "rope_scaling": None, "sliding_window_pattern": 2}
    config = transformers.Gemma3TextConfig(**GEMMA).to_dict()
    older = {key: value for key, value in config.items() if key != silent} | old
    found = architecture_of(older)
    assert found == architecture_of(transformers.Gemma3TextConfig(**older).to_dict())
    assert found.tied
    assert [rule.theta for rule in found.rotaries] == [1e4, 1e6]


@pytest.mark.parametrize(
    ("config", "changes"),
    [
        (LLAMA, {"rope_parameters": {"rope_type": "yarn", "factor": 2.0}}),
        (LLAMA, {"rope_parameters": {"rope_type": "llama3", "factor": 2.0}}),
        (LLAMA, {"rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5}}),
        (LLAMA, {"rope_scaling": "twice"}),
        (GEMMA, {"rope_parameters": STRETCHED}),
        (GEMMA, {"rope_parameters": {"full_attention": {"rope_type": "yarn"}}}),
        (GEMMA, {"rope_parameters": {"sliding_attention": {"rope_type": "yarn"}}}),
        (GEMMA, {"rope_parameters": {"sliding_attention": "default"}}),
    ],
)
def test_a_rule_that_is_not_here_is_left_to_transformers(config, changes):
    assert architecture_of(config) is not None
    assert architecture_of(config | changes) is None
