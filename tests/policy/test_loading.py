import json
import shutil

import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.policy import Policy, loading


@pytest.fixture
def copied(tiny_model_dir, tmp_path):
    """A copy of the tiny Llama to break."""
    return shutil.copytree(tiny_model_dir("llama"), tmp_path / "model")


def _change_config(directory, **changes):
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _refused(model, match):
    with pytest.raises(SteelyardError, match=match) as caught:
        Policy.load(str(model))
    assert "\n" not in str(caught.value)
    assert "trust_remote_code" not in str(caught.value)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_dtype_is_that_of_every_weight(tiny_model_dir, dtype):
    policy = Policy.load(str(tiny_model_dir("llama")), dtype=dtype)
    assert {p.dtype for p in policy.trainable().values()} == {loading.DTYPES[dtype]}
    assert not policy.model.training


def test_unknown_dtype():
    with pytest.raises(SteelyardError, match="did you mean 'bfloat16'"):
        Policy.load("anything", dtype="bfloat")


def test_unknown_shipped_name(tmp_path, monkeypatch):
    (tmp_path / "arithmetic").mkdir()
    (tmp_path / "arithmetic" / "config.json").write_text("{}")
    monkeypatch.setattr(loading, "SHIPPED", tmp_path)
    _refused("steelyard/arithmetik", "did you mean 'steelyard/arithmetic'")


def test_a_shipped_name_is_a_directory_of_the_package(tiny_model_dir, tmp_path, monkeypatch):
    shutil.copytree(tiny_model_dir("qwen3"), tmp_path / "own")
    monkeypatch.setattr(loading, "SHIPPED", tmp_path)
    assert loading.shipped() == ["steelyard/own"]
    assert Policy.load("steelyard/own").num_parameters() == Policy.load(str(tmp_path / "own")).num_parameters()


@pytest.mark.parametrize("model", ["./nowhere", "/no/where", "~/no/where", "a/b/c", "", " "])
def test_missing_directory(model):
    _refused(model, "no such directory")


def test_a_file_is_no_directory(copied):
    _refused(copied / "config.json", "no such directory")


def test_missing_hub_model_says_that_it_was_taken_for_one():
    _refused("nobody/nothing", "taken for a hub id")  # offline, as all tests are


def test_a_directory_without_a_model(tmp_path):
    _refused(tmp_path, "holds no model")


def test_pickled_weights_are_refused(copied):
    weights = loading.load(str(copied), "float32")[0].state_dict()
    (copied / "model.safetensors").unlink()
    _refused(copied, "safetensors")
    torch.save(weights, copied / "pytorch_model.bin")
    _refused(copied, "pickled ones are never loaded")


def test_broken_weights(copied):
    (copied / "model.safetensors").write_bytes(b"not safetensors" * 9)
    _refused(copied, "no model can be loaded")


def test_missing_weights_are_not_made_up(copied):
    _change_config(copied, num_hidden_layers=3)
    _refused(copied, "lacks 9 of its weights")


def test_weights_of_another_size(copied):
    _change_config(copied, intermediate_size=64)
    _refused(copied, r"layers.0.mlp.down_proj.weight of .* is \[16, 32\], and its config.json says \[16, 64\]")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_not_finite(copied, value):
    from safetensors.torch import load_file, save_file

    weights = load_file(copied / "model.safetensors")
    weights["model.layers.1.self_attn.q_proj.weight"][-1, -1] = value
    save_file(weights, copied / "model.safetensors", {"format": "pt"})
    _refused(copied, "model.layers.1.self_attn.q_proj.weight of .* holds numbers that are not finite")


@pytest.mark.parametrize("text", ["{", '{"model_type": "nothing"}', '{"model_type": "t5"}', "{}"])
def test_broken_config(copied, text):
    (copied / "config.json").write_text(text)
    _refused(copied, "no model can be loaded")


def test_missing_tokenizer(copied):
    for path in copied.glob("tokenizer*"):
        path.unlink()
    _refused(copied, "no tokenizer can be loaded")


@pytest.mark.parametrize("changes", [{"hidden_size": "wide"}, {"hidden_size": 15}])
def test_settings_that_transformers_itself_refuses(copied, changes):
    _change_config(copied, **changes)
    _refused(copied, "no model can be loaded .*hidden.size")


def test_the_tokenizer_alone_needs_no_whole_weights(copied):
    whole = Policy.load(str(copied)).tokenizer
    (copied / "model.safetensors").write_bytes(b"")
    assert loading.load_tokenizer(str(copied)).get_vocab() == whole.get_vocab()
    (copied / "tokenizer.json").write_text("{")
    with pytest.raises(SteelyardError, match="no tokenizer can be loaded"):
        loading.load_tokenizer(str(copied))
    with pytest.raises(SteelyardError, match="no such directory"):
        loading.load_tokenizer("./nowhere")


def test_broken_tokenizer(copied):
    (copied / "tokenizer.json").write_text("{")
    _refused(copied, "no tokenizer can be loaded")


def test_a_tokenizer_with_more_tokens_than_the_model_has_rows(copied):
    path = copied / "tokenizer.json"
    data = json.loads(path.read_text())
    data["model"]["vocab"]["~"] = 28
    path.write_text(json.dumps(data))
    _refused(copied, "ids up to 28, but the model only 28 embeddings")


def test_code_beside_the_weights_is_never_run(copied, monkeypatch):
    (copied / "evil.py").write_text("raise SystemExit('ran')")
    _change_config(copied, model_type="evil", auto_map={"AutoConfig": "evil.C", "AutoModelForCausalLM": "evil.M"})
    _refused(copied, "no model can be loaded")


@pytest.mark.parametrize("changes", [{"final_logit_softcapping": 30.0}, {"final_logit_softcapping": None}])
def test_soft_capped_logits_are_refused(tiny_model_dir, tmp_path, changes):
    import transformers

    sizes = {"vocab_size": 28, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "head_dim": 8}
    config = transformers.Gemma2Config(**sizes, num_key_value_heads=1, intermediate_size=16, eos_token_id=0, **changes)
    with loading.quiet():
        transformers.AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "capped")
    for path in tiny_model_dir("qwen3").glob("*token*"):
        shutil.copy(path, tmp_path / "capped")
    if changes["final_logit_softcapping"]:
        _refused(tmp_path / "capped", "soft-capped")
    else:
        Policy.load(str(tmp_path / "capped"))


def test_scaled_logits_are_refused(tiny_model_dir, tmp_path):
    import transformers

    sizes = {"vocab_size": 28, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.CohereConfig(**sizes, intermediate_size=16, logit_scale=0.5, eos_token_id=0)
    with loading.quiet():
        transformers.AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "scaled")
    for path in tiny_model_dir("qwen3").glob("*token*"):
        shutil.copy(path, tmp_path / "scaled")
    _refused(tmp_path / "scaled", "scaled")


def test_a_reward_model_is_no_policy():
    with pytest.raises(SteelyardError, match="gives scores and writes no text; name a language model"):
        Policy.load("steelyard/shortening-proxy")


def test_a_classifier_has_its_head_and_none_is_made_up(tiny_model_dir):
    net, tokenizer = loading.load_classifier("steelyard/shortening-proxy", "float32")
    assert net.config.num_labels == 1 and not net.training
    assert max(tokenizer.get_vocab().values()) < net.get_input_embeddings().weight.shape[0]
    with pytest.raises(SteelyardError, match="writes text and has no head that rates one; name a classifier"):
        loading.load_classifier(str(tiny_model_dir("llama")), "float32")


def test_loading_is_quiet_and_leaves_the_settings_as_they_were(tiny_model_dir, capfd):
    from transformers.utils import logging

    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    directory = str(tiny_model_dir("gpt2"))
    capfd.readouterr()
    Policy.load(directory)
    assert capfd.readouterr() == ("", "")
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before
