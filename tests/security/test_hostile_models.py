"""A directory with a model in it is data. Whatever its files say, nothing of them is run."""

import json

import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.policy import Policy

REFUSED, HARMLESS = {}, {}


def case(table):
    def register(poison):
        table[poison.__name__] = poison
        return poison

    return register


@case(REFUSED)
def a_pickle_for_safetensors(model, canary, change):
    (model / "model.safetensors").write_bytes(canary.bomb)


@case(REFUSED)
def a_torch_pickle_for_safetensors(model, canary, change):
    torch.save(canary, model / "pickled")
    (model / "pickled").replace(model / "model.safetensors")


@case(REFUSED)
def a_pickle_where_safetensors_are_broken(model, canary, change):
    (model / "model.safetensors").write_bytes(b"x")
    (model / "pytorch_model.bin").write_bytes(canary.bomb)


@case(REFUSED)
def a_pickle_alone(model, canary, change):
    (model / "model.safetensors").unlink()
    (model / "pytorch_model.bin").write_bytes(canary.bomb)


@case(REFUSED)
def a_pickled_adapter(model, canary, change):
    settings = {"peft_type": "LORA", "base_model_name_or_path": str(model), "r": 2, "target_modules": ["q_proj"]}
    (model / "adapter_config.json").write_text(json.dumps(settings))
    torch.save(canary, model / "adapter_model.bin")


@case(REFUSED)
def a_model_class_of_its_own(model, canary, change):
    (model / "evil.py").write_text(canary.code)
    change(
        model / "config.json",
        model_type="evil",
        auto_map={"AutoConfig": "evil.Evil", "AutoModelForCausalLM": "evil.Evil"},
    )


@case(REFUSED)
def a_model_class_of_another_repository(model, canary, change):
    change(model / "config.json", model_type="evil", auto_map={"AutoConfig": "a/b--evil.Evil"})


@case(REFUSED)
def a_tokenizer_class_of_its_own(model, canary, change):
    (model / "evil.py").write_text(canary.code)
    auto_map = {"AutoTokenizer": ["evil.Evil", "evil.Evil"]}
    change(model / "tokenizer_config.json", tokenizer_class="EvilTokenizer", auto_map=auto_map)


@case(REFUSED)
def a_pickle_for_a_tokenizer(model, canary, change):
    (model / "tokenizer.json").write_bytes(canary.bomb)


@case(REFUSED)
def a_pickle_for_the_tokenizers_settings(model, canary, change):
    (model / "tokenizer_config.json").write_bytes(canary.bomb)


@case(REFUSED)
def an_activation_that_is_code(model, canary, change):
    change(model / "config.json", hidden_act=f"__import__('os').system('touch {canary.path}')")


@case(REFUSED)
def settings_without_end(model, canary, change):
    (model / "config.json").write_text("[" * 200_000)


@case(REFUSED)
def settings_that_nest(model, canary, change):
    (model / "config.json").write_text('{"model_type": "llama", "x": ' + "[" * 50_000 + "]" * 50_000 + "}")


@case(REFUSED)
def a_model_larger_than_memory(model, canary, change):
    change(model / "config.json", hidden_size=10**9)


@case(REFUSED)
def sizes_below_zero(model, canary, change):
    change(model / "config.json", hidden_size=-16)


@case(REFUSED)
def weights_elsewhere(model, canary, change):
    change(model / "config.json", transformers_weights="../../etc/passwd")


def index(model, *names):
    (model / "model.safetensors").rename(model / "other.safetensors")
    weights = dict(zip(("lm_head.weight", "model.norm.weight"), names, strict=False))
    (model / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weights}))


@case(REFUSED)
def an_index_that_names_a_pickle(model, canary, change):
    (model / "evil.bin").write_bytes(canary.bomb)
    index(model, "evil.bin")


@case(REFUSED)
def an_index_that_names_a_torch_pickle(model, canary, change):
    torch.save(canary, model / "evil.bin")
    index(model, "other.safetensors", "evil.bin")


@case(REFUSED)
def an_index_that_leads_elsewhere(model, canary, change):
    index(model, f"../{model.name}/other.safetensors")


@case(REFUSED)
def an_index_that_is_none(model, canary, change):
    index(model)
    (model / "model.safetensors.index.json").write_text("[]")


@case(REFUSED)
def attention_from_the_hub(model, canary, change):
    change(model / "config.json", attn_implementation="evil/kernel")


@case(REFUSED)
def attention_that_falls_back_to_the_hub(model, canary, change):
    change(model / "config.json", attn_implementation="flash_attention_2")


@case(REFUSED)
def weights_that_need_a_package(model, canary, change):
    change(model / "config.json", quantization_config={"quant_method": "gptq", "bits": 4})


@case(REFUSED)
def sizes_that_are_code(model, canary, change):
    change(model / "config.json", hidden_size="16; import os")


@case(REFUSED)
def a_number_format_that_is_none(model, canary, change):
    change(model / "config.json", dtype="__class__")


@case(REFUSED)
def a_tokenizer_that_is_a_list(model, canary, change):
    (model / "tokenizer.json").write_text("[]")


@case(REFUSED)
def a_tokenizer_class_that_is_a_list(model, canary, change):
    change(model / "tokenizer_config.json", tokenizer_class=["x"])


@case(REFUSED)
def ways_to_generate_that_are_a_list(model, canary, change):
    (model / "generation_config.json").write_text("[]")


@case(REFUSED)
def settings_that_are_no_text(model, canary, change):
    (model / "config.json").write_bytes(b"\xff\xfe\x00")


@case(HARMLESS)
def a_pickle_beside_the_weights(model, canary, change):
    (model / "pytorch_model.bin").write_bytes(canary.bomb)


@case(HARMLESS)
def a_model_class_beside_a_known_one(model, canary, change):
    (model / "evil.py").write_text(canary.code)
    change(model / "config.json", auto_map={"AutoConfig": "evil.Evil", "AutoModelForCausalLM": "evil.Evil"})


@case(HARMLESS)
def a_tokenizer_class_beside_a_known_one(model, canary, change):
    (model / "evil.py").write_text(canary.code)
    change(model / "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.Evil", "evil.Evil"]})


@case(HARMLESS)
def a_way_to_generate_of_its_own(model, canary, change):
    (model / "custom_generate").mkdir()
    (model / "custom_generate/generate.py").write_text(canary.code)


@pytest.mark.parametrize("poison", REFUSED.values(), ids=REFUSED)
def test_it_is_refused_in_one_line_and_not_run(poison, model, canary, change):
    poison(model, canary, change)
    with pytest.raises(SteelyardError) as caught:
        Policy.load(str(model))
    assert "\n" not in str(caught.value)
    assert "trust_remote_code" not in str(caught.value)
    assert not canary.sang


@pytest.mark.parametrize("poison", HARMLESS.values(), ids=HARMLESS)
def test_it_is_left_alone_and_not_run(poison, model, canary, change):
    poison(model, canary, change)
    assert Policy.load(str(model)).encode("1+2=")
    assert not canary.sang


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ cycler.__init__.__globals__.os.system('touch canary') }}",
        "{{ messages.append({'role': 'x'}) }}",
    ],
)
def test_a_chat_template_reaches_nothing(model, canary, monkeypatch, template):
    monkeypatch.chdir(canary.path.parent)
    (model / "chat_template.jinja").write_text(template)
    policy = Policy.load(str(model))
    with pytest.raises(SteelyardError, match="the chat template refuses the messages"):
        policy.encode([{"role": "user", "content": "1"}])
    assert not canary.sang


def test_the_canary_sings(canary, tmp_path):
    """Else none of these tests would say anything."""
    import pickle

    pickle.loads(canary.bomb)
    assert canary.sang
