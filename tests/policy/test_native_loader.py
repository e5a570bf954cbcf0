import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from steelyard.policy import Policy, loading
from steelyard.policy.native_loader import NativeModel, read_model
from steelyard.policy.tokenizer import NativeTokenizer

NATIVE = ("llama", "qwen3")
SHIPPED = ("steelyard/arithmetic", "steelyard/enumerable")


@pytest.fixture(params=NATIVE)
def copied(request, tiny_model_dir, tmp_path):
    return shutil.copytree(tiny_model_dir(request.param), tmp_path / "model")


def _change(path, **entries):
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def _read(place):
    return read_model(place, torch.float32)


def _same(native, theirs):
    """Everything that a policy says of itself, and its weights byte for byte."""
    assert [*native.trainable()] == [*theirs.trainable()]
    assert np.array_equal(native.weights(), theirs.weights())
    for fact in ("eos_ids", "pad_id", "vocab_size", "hidden_size", "context_length", "num_bytes", "device"):
        assert getattr(native, fact) == getattr(theirs, fact), fact


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("model", [*NATIVE, *SHIPPED])
def test_it_is_what_transformers_loads(tiny_model_dir, model, dtype):
    place = model if model in SHIPPED else str(tiny_model_dir(model))
    native, theirs = Policy.load(place, dtype=dtype), Policy(*loading.load(place, dtype))
    assert isinstance(native.model, NativeModel)
    assert isinstance(native.tokenizer, NativeTokenizer)
    assert not native.model.training
    _same(native, theirs)
    tokens = torch.tensor([[4, 2, 5, 0, 1, 9], [1, 1, 3, 7, 2, 2]])
    mask = tokens.new_tensor([[1] * 6, [0, 0, 1, 1, 1, 1]])
    found, expected = (p.head(p.backbone(input_ids=tokens, attention_mask=mask)[0])[:, 2:] for p in (native, theirs))
    gap = (found.float().softmax(-1) - expected.float().softmax(-1)).abs()
    assert gap.max() < (1e-4 if dtype == "float32" else 0.1)
    assert gap.mean() < (1e-5 if dtype == "float32" else 0.01)


@pytest.mark.parametrize("stored", [torch.bfloat16, torch.float16])
def test_other_number_formats_are_rounded_as_transformers_rounds_them(copied, stored):
    weights = {name: t.to(stored) for name, t in load_file(copied / "model.safetensors").items()}
    save_file(weights, copied / "model.safetensors", {"format": "pt"})
    for dtype in ("float32", "bfloat16"):
        native = Policy.load(str(copied), dtype=dtype)
        assert isinstance(native.model, NativeModel)
        _same(native, Policy(*loading.load(str(copied), dtype)))


@pytest.mark.parametrize("of_config", [0, [0, 3], None])
@pytest.mark.parametrize("of_generation", ["absent", 5, [3, 0], None, "without the key"])
def test_ends_of_sequences_are_those_that_transformers_knows(copied, of_config, of_generation):
    _change(copied / "config.json", eos_token_id=of_config)
    settings = {"transformers_version": "5.0"}
    if of_generation == "absent":
        (copied / "generation_config.json").unlink()
    else:
        settings |= {} if of_generation == "without the key" else {"eos_token_id": of_generation}
        (copied / "generation_config.json").write_text(json.dumps(settings))
    native = Policy.load(str(copied))
    assert isinstance(native.model, NativeModel)
    _same(native, Policy(*loading.load(str(copied), "float32")))


def _cut(place):
    """The model again, in two files and an index."""
    weights = load_file(place / "model.safetensors")
    (place / "model.safetensors").unlink()
    files, names = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"), sorted(weights)
    listed = {name: files[i % 2] for i, name in enumerate(names)}
    for file in files:
        save_file({name: weights[name] for name in names if listed[name] == file}, place / file, {"format": "pt"})
    index = {"metadata": {"total_size": 1}, "weight_map": listed}
    (place / "model.safetensors.index.json").write_text(json.dumps(index))
    return files


def test_a_model_in_several_files(copied):
    whole = Policy.load(str(copied)).weights()
    _cut(copied)
    native = Policy.load(str(copied))
    assert isinstance(native.model, NativeModel)
    assert np.array_equal(native.weights(), whole)


def _name_a_tensor_twice(place):
    first, second = _cut(place)
    weights = load_file(place / second) | load_file(place / first)
    save_file(weights, place / second, {"format": "pt"})


def _leave_one_out_of_the_index(place):
    _cut(place)
    path = place / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    index["weight_map"].popitem()
    path.write_text(json.dumps(index))


def _rewrite(place, change, metadata=None):
    weights = load_file(place / "model.safetensors")
    change(weights)
    save_file(weights, place / "model.safetensors", {"format": "pt"} if metadata is None else metadata)


Q = "model.layers.0.self_attn.q_proj.weight"
NOT_KNOWN = {
    "no config": lambda p: (p / "config.json").unlink(),
    "a key that is not known": lambda p: _change(p / "config.json", logits_scaling=2.0),
    "another activation": lambda p: _change(p / "config.json", hidden_act="gelu"),
    "a size that is a text": lambda p: _change(p / "config.json", hidden_size="16"),
    "a truth that is a number": lambda p: _change(p / "config.json", tie_word_embeddings=1),
    "heads that do not divide": lambda p: _change(p / "config.json", num_attention_heads=3),
    "more layers than tensors": lambda p: _change(p / "config.json", num_hidden_layers=10**12),
    "a padding token out of range": lambda p: _change(p / "config.json", pad_token_id=28),
    "an old padding token": lambda p: _change(p / "config.json", pad_token_id=-1),
    "a rotary rule with more to it": lambda p: _change(
        p / "config.json", rope_parameters={"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.5}
    ),
    "two rotary rules": lambda p: _change(p / "config.json", rope_scaling={"rope_type": "linear", "factor": 2.0}),
    "an adapter beside it": lambda p: (p / "adapter_config.json").write_text("{}"),
    "ways to generate that are a list": lambda p: (p / "generation_config.json").write_text("[]"),
    "a way to generate that is not known": lambda p: _change(p / "generation_config.json", watermarking_config={}),
    "no weights": lambda p: (p / "model.safetensors").unlink(),
    "weights that are cut short": lambda p: (p / "model.safetensors").write_bytes(
        (p / "model.safetensors").read_bytes()[:-4]
    ),
    "a tensor too many": lambda p: _rewrite(p, lambda w: w.update(extra=torch.zeros(1))),
    "a tensor too few": lambda p: _rewrite(p, lambda w: w.pop(Q)),
    "a tensor of another shape": lambda p: _rewrite(p, lambda w: w.update({Q: w[Q].T.contiguous()[:, :-1].clone()})),
    "whole numbers": lambda p: _rewrite(p, lambda w: w.update({Q: w[Q].to(torch.int8)})),
    "weights of another library": lambda p: _rewrite(p, lambda w: None, {"format": "flax"}),
    "an index beside the whole": lambda p: (p / "model.safetensors.index.json").write_text('{"weight_map": {}}'),
    "an index that is odd": lambda p: (_cut(p), (p / "model.safetensors.index.json").write_text("[]")),
    "a tensor in two files": _name_a_tensor_twice,
    "a tensor that the index leaves out": _leave_one_out_of_the_index,
    "a file that the index names and is not there": lambda p: (p / _cut(p)[1]).unlink(),
}


@pytest.mark.parametrize("change", NOT_KNOWN.values(), ids=NOT_KNOWN)
def test_whatever_is_not_known_is_left_to_transformers(copied, change):
    assert _read(copied) is not None
    change(copied)
    assert _read(copied) is None


@pytest.mark.parametrize("family", ["gpt2", "gpt-neox"])
def test_another_family_is_left_to_transformers(tiny_model_dir, family):
    assert _read(tiny_model_dir(family)) is None


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_saved_is_what_transformers_loads_and_can_be_saved_again(copied, tmp_path, dtype):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    policy = Policy.load(str(copied), dtype=dtype)
    with torch.no_grad():
        for p in policy.trainable().values():
            p.mul_(1.01)
    first = policy.save(tmp_path / "first")
    shutil.rmtree(copied)  # a policy needs nothing of where it came from
    second = Policy.load(str(first), dtype=dtype).save(tmp_path / "second")
    for path in (first, second):
        theirs, tokenizer = AutoModelForCausalLM.from_pretrained(path), AutoTokenizer.from_pretrained(path)
        assert theirs.dtype == loading.DTYPES[dtype]
        for name, p in policy.trainable().items():
            assert torch.equal(theirs.get_parameter(name), p)
        assert theirs.generation_config.eos_token_id == 0
        assert tokenizer.encode("1+2=") == policy.encode("1+2=")
        assert tokenizer.chat_template == policy.tokenizer.chat_template
        _same(Policy.load(str(path), dtype=dtype), policy)
    assert sorted(p.name for p in first.iterdir()) == sorted(p.name for p in second.iterdir())


def test_what_is_saved_over_a_model_in_several_files_is_what_is_loaded(copied, tmp_path):
    (copied / "generation_config.json").unlink()
    policy = Policy.load(str(copied))
    _cut(copied)
    (copied / "generation_config.json").write_text('{"eos_token_id": 7}')
    (copied / "chat_template.jinja").write_text("another's")
    template = policy.tokenizer.chat_template
    with torch.no_grad():
        policy.head.weight.mul_(2)
    policy.save(copied, force=True)
    again = Policy.load(str(copied))
    assert np.array_equal(again.weights(), policy.weights())
    assert again.eos_ids == policy.eos_ids == (0,)
    assert again.tokenizer.chat_template == template


def test_adapters_are_peft_s_on_transformers_own_model(tiny_model_dir):
    from steelyard.policy import LoRA

    assert not isinstance(Policy.load(str(tiny_model_dir("llama")), lora=LoRA(2)).model, NativeModel)


LIGHT = """
import sys
import torch
from steelyard.policy import Policy

policy = Policy.load("steelyard/arithmetic")
tokens = torch.tensor([policy.encode("12+7-15=")])
attend = torch.ones_like(tokens, dtype=torch.bool)
action = attend.clone()
action[:, :3] = False
policy.step_logp(tokens, attend, action).logp_NT.sum().backward()
policy.decode(tokens[0].tolist())
policy.save(sys.argv[1])
print(sorted({"transformers", "peft", "matplotlib", "pyarrow", "scipy", "sympy", "torch._dynamo"} & {*sys.modules}))
"""


def test_a_shipped_model_is_loaded_differentiated_and_saved_without_transformers(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LIGHT, str(tmp_path / "out")], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
