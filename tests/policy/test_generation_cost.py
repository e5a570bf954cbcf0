"""The plan's line on models that the native engine does not compute."""

import pytest

from policy.tiny_types import HEADS, NATIVE, make
from steelyard.policy import Policy
from steelyard.policy.generation_cost import COST, slow_reason
from steelyard.policy.meta_model import meta_policy, slow_generation
from steelyard.rollout import TransformersEngine, engine_for

LONG = {"rope_type": "longrope", "short_factor": [1.0] * 4, "long_factor": [2.0] * 4, "rope_theta": 100.0,
        "original_max_position_embeddings": 32}  # fmt: skip
YARN = {"rope_type": "yarn", "factor": 2.0, "rope_theta": 100.0, "original_max_position_embeddings": 32}
MODELS = {
    "gpt2": ("gpt2", {"n_head": 4}, "our own code does not have models of type gpt2"),
    "starcoder2": ("starcoder2", HEADS, "our own code does not have models of type starcoder2"),
    "phi3": ("phi3", {**HEADS, "rope_parameters": LONG, "original_max_position_embeddings": 32},
             "our own code does not have the rule of positions of this phi3 (longrope)"),
    "llama": ("llama", {**HEADS, "rope_parameters": YARN},
              "our own code does not have the rule of positions of this llama (yarn)"),
    "qwen3": ("qwen3", {**HEADS, "head_dim": 8, "hidden_act": "gelu"},
              "our own code does not have a setting of this qwen3 (see its config.json)"),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_the_plan_says_why_and_what_it_costs(name, tiny_model_dir, tmp_path):
    """By the config, in the plan and with weights; and the engine is the one that the line names."""
    kind, settings, reason = MODELS[name]
    place = str(make(kind, settings, tiny_model_dir("llama"), tmp_path / "model"))
    said = f"{reason}, so {COST}"
    assert slow_generation(place, None) == said
    assert meta_policy(place).slow_reason == said
    policy = Policy.load(place)
    assert policy.slow_reason == said
    assert not policy.shares_prompts
    assert isinstance(engine_for(policy, 0), TransformersEngine)
    assert "\n" not in said


@pytest.mark.parametrize("name", ["llama", "gemma3", "phi3"])
def test_native_models_cost_nothing(name, tiny_model_dir, tmp_path):
    kind, settings = NATIVE[name]
    place = make(kind, settings, tiny_model_dir("llama"), tmp_path / "model")
    assert slow_generation(str(place), None) is None
    assert meta_policy(str(place)).slow_reason is None


@pytest.mark.parametrize("rules", ["twice", {"type": "linear"}, {"type": "linear", "factor": "much"}])
def test_positions_that_cannot_be_read(rules):
    said = slow_reason(None, {"model_type": "llama", "hidden_act": "silu", "rope_scaling": rules})
    assert said is not None
    assert "does not have the rule of positions of this llama" in said
