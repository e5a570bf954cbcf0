import json
from pathlib import Path

import numpy as np
import pytest
import torch

from policy.tiny_types import ATTENTION, EXPERTS, HEADS, make
from steelyard.core import SteelyardError
from steelyard.policy import LoRA, Policy

TOKENS = torch.tensor([[5, 14, 6, 16, 7, 0], [9, 15, 8, 16, 5, 0]])
# What peft asks of transformers, and says of tied weights and of its own patterns, while it reads.
pytestmark = [
    pytest.mark.filterwarnings(f"ignore:{words}")
    for words in (".*is_gradient_checkpointing", ".*tie_word_embeddings", "The following (rank|alpha)_pattern")
]
TARGETS = ("all-linear", "embed_tokens,q_proj", "lm_head,v_proj", "embed_tokens,lm_head")


def trained(directory: Path | str, *, dtype: str = "float32", **settings: object) -> Policy:
    """A policy whose adapters have moved far enough that each of them matters."""
    policy = Policy.load(str(directory), lora=LoRA(rank=2, **settings), dtype=dtype)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for p in policy.trainable().values():
            p.add_(0.1 * torch.randn(p.shape, generator=generator))
    return policy


@torch.no_grad()
def logits(model: torch.nn.Module) -> torch.Tensor:
    return model(input_ids=TOKENS).logits


@pytest.mark.parametrize("targets", TARGETS)
def test_peft_and_transformers_read_the_adapters_of_a_tied_model(tiny_model_dir, tmp_path, targets):
    """qwen3 here has one matrix for embedding and head: adapters of either part them, in peft as here."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = tiny_model_dir("qwen3")
    policy = trained(base, targets=targets)
    adapter = policy.save(tmp_path / "out") / "adapter"
    assert {path.name for path in adapter.iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
    by_peft = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter)
    assert torch.equal(logits(by_peft), logits(policy.model))
    by_transformers = AutoModelForCausalLM.from_pretrained(adapter)
    assert torch.equal(logits(by_transformers), logits(policy.model))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("targets", TARGETS)
def test_a_merged_tied_model_is_read_back_bit_for_bit(tiny_model_dir, tmp_path, targets, dtype):
    policy = trained(tiny_model_dir("qwen3"), targets=targets, dtype=dtype)
    merged = policy.plain_weights()
    path = policy.save(tmp_path / "out")
    again = Policy.load(str(path), dtype=dtype).plain_weights()
    assert ("lm_head.weight" in again) == (targets != "all-linear")
    assert again.keys() == merged.keys()
    assert all(torch.equal(again[name], merged[name]) for name in merged)
    twice = Policy.load(str(path), dtype=dtype)
    second = Policy.load(str(twice.save(tmp_path / "twice")), dtype=dtype).plain_weights()
    assert all(torch.equal(second[name], merged[name]) for name in merged)


def test_other_families_and_formats(tiny_model_dir, tmp_path):
    """GPT-2 stores its layers transposed, experts are adapted through their module, Gemma 3 scales its embedding."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    experts = {**HEADS, **EXPERTS, "head_dim": 8}
    places = {
        "gpt2": tiny_model_dir("gpt2"),
        "gemma3": make("gemma3_text", ATTENTION["gemma3_text"], tiny_model_dir("llama"), tmp_path / "gemma3"),
        "qwen3_moe": make("qwen3_moe", experts, tiny_model_dir("llama"), tmp_path / "moe"),
    }
    for family, base in places.items():
        for dtype in ("float32", "bfloat16"):
            policy = trained(base, dtype=dtype)
            path = policy.save(tmp_path / f"{family}-{dtype}")
            net = AutoModelForCausalLM.from_pretrained(base, dtype=getattr(torch, dtype))
            assert torch.equal(logits(PeftModel.from_pretrained(net, path / "adapter")), logits(policy.model)), family


def test_the_files_name_the_base_and_do_not_depend_on_the_process(tiny_model_dir, tmp_path):
    base = tiny_model_dir("qwen3")
    policy = trained(base, targets="v_proj, q_proj", dropout=0.25, alpha=6.0)
    config = json.loads((policy.save(tmp_path / "out") / "adapter" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(base)
    assert (config["r"], config["lora_alpha"], config["lora_dropout"]) == (2, 6.0, 0.25)
    assert config["target_modules"] == ["q_proj", "v_proj"]
    assert (config["task_type"], config["inference_mode"]) == ("CAUSAL_LM", True)


def test_a_model_without_adapters_has_no_such_directory(tiny_model_dir, tmp_path):
    path = Policy.load(str(tiny_model_dir("llama"))).save(tmp_path / "out")
    assert not (path / "adapter").exists()


def test_adapters_alone_are_no_model(tiny_model_dir, tmp_path):
    adapter = trained(tiny_model_dir("llama")).save(tmp_path / "out") / "adapter"
    with pytest.raises(SteelyardError, match="holds adapters and no model; name a merged model"):
        Policy.load(str(adapter))


def test_saving_leaves_the_policy_as_it_was(tiny_model_dir, tmp_path):
    policy = trained(tiny_model_dir("qwen3"), targets="embed_tokens,lm_head")
    before = policy.weights()
    settings = policy._adapted.peft_config["default"].to_dict()
    policy.save(tmp_path / "out")
    assert np.array_equal(policy.weights(), before)
    assert policy._adapted.peft_config["default"].to_dict() == settings
