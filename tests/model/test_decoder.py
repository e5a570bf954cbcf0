import pytest
import torch

from steelyard.model import Architecture, Decoder, architecture_of
from steelyard.policy.logp import positions_of, step_logp

SIZES = {
    "vocab_size": 28, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 24,
    "max_position_embeddings": 64, "initializer_range": 0.3, "tie_word_embeddings": False,
    "pad_token_id": None,
}  # fmt: skip
LLAMA3 = {"rope_type": "llama3", "rope_theta": 500.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 16}  # fmt: skip
HALF = {"rope_type": "default", "rope_theta": 100.0, "partial_rotary_factor": 0.5}
GEMMA3 = {"head_dim": 6, "num_key_value_heads": 1, "sliding_window": 3, "sliding_window_pattern": 2,
          "query_pre_attn_scalar": 6, "tie_word_embeddings": True}  # fmt: skip
TWO_RULES = {
    "full_attention": {"rope_type": "linear", "rope_theta": 500.0, "factor": 8.0},
    "sliding_attention": {"rope_type": "default", "rope_theta": 20.0},
}
MODELS = {
    "llama": ("llama", {}),
    "llama, tied, grouped keys": ("llama", {"num_key_value_heads": 2, "tie_word_embeddings": True}),
    "llama, biases, llama3 angles": ("llama", {"attention_bias": True, "mlp_bias": True, "rope_parameters": LLAMA3}),
    "llama, wide heads": ("llama", {"head_dim": 10, "num_key_value_heads": 1}),
    "qwen2": ("qwen2", {"num_key_value_heads": 2}),
    "qwen3": ("qwen3", {"num_key_value_heads": 2, "head_dim": 8, "tie_word_embeddings": True}),
    "qwen3, biases": ("qwen3", {"num_key_value_heads": 4, "head_dim": 8, "attention_bias": True}),
    "mistral without a window": ("mistral", {"sliding_window": None, "num_key_value_heads": 2}),
    "mistral with a window": ("mistral", {"sliding_window": 3, "num_key_value_heads": 2}),
    "qwen2, the second layer has a window": (
        "qwen2",
        {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1, "num_key_value_heads": 4},
    ),
    "qwen3, the first layer has a window": (
        "qwen3",
        {
            "use_sliding_window": True,
            "sliding_window": 2,
            "layer_types": ["sliding_attention", "full_attention"],
            "head_dim": 8,
            "num_key_value_heads": 4,
        },
    ),
    "phi3": ("phi3", {"num_key_value_heads": 2}),
    "phi3, half of a head turned, a window": (
        "phi3",
        {"num_key_value_heads": 1, "hidden_size": 32, "sliding_window": 3, "rope_parameters": HALF},
    ),
    "smollm3, one layer without positions": ("smollm3", {"num_key_value_heads": 2, "no_rope_layers": [1, 0]}),
    "smollm3, which has a window too": (
        "smollm3",
        {"no_rope_layers": [0, 1], "use_sliding_window": True, "sliding_window": 3, "tie_word_embeddings": True},
    ),
    "olmo2": ("olmo2", {"num_key_value_heads": 2, "attention_bias": True}),
    "olmo3": ("olmo3", {"sliding_window": 3, "layer_types": ["sliding_attention", "full_attention"]}),
    "gemma3": ("gemma3_text", GEMMA3),
    "gemma3, biases, other scores, stretched angles": (
        "gemma3_text",
        GEMMA3 | {"attention_bias": True, "query_pre_attn_scalar": 5, "rope_parameters": TWO_RULES},
    ),
}
LENGTHS, WIDTH = (10, 7, 4), 10


def _pair(name, dtype=torch.float32):
    """The model in transformers, with weights that are nowhere trivial, and ours with the same weights."""
    import transformers

    family, changes = MODELS[name]
    config = transformers.AutoConfig.for_model(family, **SIZES | changes)
    generator = torch.Generator().manual_seed(3)
    theirs = transformers.AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            around = 1.0 if parameter.ndim == 1 else 0.0
            parameter.copy_(around + 0.3 * torch.randn(parameter.shape, generator=generator))
    theirs = theirs.to(dtype)
    architecture = architecture_of(config.to_dict())
    assert architecture is not None
    ours = Decoder(architecture, dtype)
    state = {name: tensor for name, tensor in theirs.state_dict().items() if name in architecture.shapes()}
    ours.load_state_dict(state, strict=True)
    return theirs, ours


def _rows(side):
    tokens_NT = torch.randint(0, 28, (len(LENGTHS), WIDTH), generator=torch.Generator().manual_seed(0))
    attend_NT = torch.arange(WIDTH) < torch.tensor(LENGTHS)[:, None]
    return (tokens_NT, attend_NT) if side == "right" else (tokens_NT.flip(1), attend_NT.flip(1))


def _hidden(backbone, tokens_NT, attend_NT):
    positions = positions_of(attend_NT)
    return backbone(
        input_ids=tokens_NT, attention_mask=attend_NT.long(), position_ids=positions, use_cache=False
    )[0][attend_NT]  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("side", ["right", "left"])
def test_says_what_transformers_says(name, side):
    (theirs, ours), rows = _pair(name), _rows(side)
    expected_MD, found_MD = _hidden(theirs.base_model, *rows), _hidden(ours, *rows)
    torch.testing.assert_close(found_MD, expected_MD, atol=1e-5, rtol=1e-5)
    logits_MV = theirs.get_output_embeddings()(expected_MD)
    torch.testing.assert_close(ours.head(found_MD), logits_MV, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("side", ["right", "left"])
def test_has_the_gradients_of_transformers(name, side):
    # In float32 what is left of large terms that cancel differs from processor to processor, by more than the bound.
    (theirs, ours), (tokens_NT, attend_NT) = _pair(name, torch.float64), _rows(side)
    action_NT = attend_NT & (attend_NT.cumsum(1) > 2)
    for backbone, head in ((theirs.base_model, theirs.get_output_embeddings()), (ours, ours.head)):
        found = step_logp(
            backbone, head, tokens_NT, attend_NT, action_NT, temperature=0.7, entropy=False, chunk=1000
        )  # fmt: skip
        found.logp_NT.sum(1).square().sum().div(100).backward()
    expected = dict(theirs.named_parameters())
    for key, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[key].grad, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_is_close_in_bfloat16(name):
    (theirs, ours), rows = _pair(name, torch.bfloat16), _rows("right")
    expected_MD, found_MD = _hidden(theirs.base_model, *rows), _hidden(ours, *rows)
    assert found_MD.dtype is torch.bfloat16
    exact_MD = _hidden(_pair(name)[1], *rows)
    error, allowed = (found_MD - exact_MD).norm(), (expected_MD - exact_MD).norm()
    assert error <= 1.5 * allowed  # no further from float32 than transformers is


@pytest.mark.parametrize("name", MODELS)
def test_has_exactly_the_parameters_of_the_architecture(name):
    ours = _pair(name)[1]
    assert {key: tuple(p.shape) for key, p in ours.named_parameters()} == ours.architecture.shapes()
    assert [*ours.state_dict()] == [key for key, _ in ours.named_parameters()]


def test_is_made_of_zeros_and_a_tied_head_is_the_embedding():
    ours = Decoder(_pair("llama, tied, grouped keys")[1].architecture, torch.bfloat16)
    assert isinstance(ours.architecture, Architecture)
    assert all(p.dtype is torch.bfloat16 and not p.any() for p in ours.parameters())
    assert ours.head.weight is ours.model.embed_tokens.weight
    assert ours.get_buffer("inverse").dtype is torch.float32


def test_positions_count_from_zero_where_none_are_given():
    ours, (tokens_NT, _) = _pair("llama")[1], _rows("right")
    whole = torch.ones_like(tokens_NT)
    torch.testing.assert_close(ours(tokens_NT)[0], ours(tokens_NT, whole, whole.cumsum(1) - 1)[0])
