import shutil

import pytest

from steelyard.core import SteelyardError
from steelyard.policy import Policy

FAMILIES = ("llama", "qwen3", "gpt2", "gpt-neox")
ONE, PLUS, TWO = 5, 14, 6
BOS, EOS = 2, 0


@pytest.mark.parametrize("family", FAMILIES)
def test_a_prompt_gets_what_stands_in_front_and_nothing_behind(tiny_model_dir, family):
    policy = Policy.load(str(tiny_model_dir(family)))
    front = [BOS] if family == "llama" else []
    assert policy.encode("1+2") == [*front, ONE, PLUS, TWO]
    assert policy.encode("") == front
    assert policy.decode(policy.encode("1+2")) == "1+2"


def test_an_appended_end_of_sequence_is_taken_off(tiny_model_dir, tmp_path):
    import tokenizers

    policy = Policy.load(str(shutil.copytree(tiny_model_dir("llama"), tmp_path / "m")))
    for template, front in (("<bos> $A <eos>", [BOS]), ("$A <eos>", [])):
        policy.tokenizer.backend_tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
            single=template, special_tokens=[("<bos>", BOS), ("<eos>", EOS)]
        )
        assert policy.encode("1+2") == [*front, ONE, PLUS, TWO]
        assert policy.encode("1<eos>") == [*front, ONE, EOS]  # the text's own stays
        assert policy.encode("") == front


def test_a_first_token_that_also_ends_is_kept(tiny_model_dir, tmp_path):
    """As in GPT-2-like tokenizers, where one token is both."""
    import tokenizers

    policy = Policy.load(str(shutil.copytree(tiny_model_dir("llama"), tmp_path / "m")))
    policy.tokenizer.bos_token = "<eos>"
    policy.tokenizer.backend_tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="<eos> $A", special_tokens=[("<eos>", EOS)]
    )
    assert policy.encode("1") == [EOS, ONE]
    assert policy.encode("") == [EOS]


def test_chat_messages_go_through_the_template(tiny_model_dir):
    policy = Policy.load(str(tiny_model_dir("qwen3")))
    tokens = policy.encode([{"role": "b", "content": "1+2="}])
    assert policy.decode(tokens) == "b:1+2=#a:"
    policy.tokenizer.chat_template = "{{ raise_exception('no such role') }}"
    with pytest.raises(SteelyardError, match="no such role"):
        policy.encode([{"role": "b", "content": "1"}])


def test_chat_messages_without_a_template_are_refused(tiny_model_dir):
    with pytest.raises(SteelyardError, match="no chat template"):
        Policy.load(str(tiny_model_dir("gpt2"))).encode([{"role": "user", "content": "1"}])


def test_text_leaves_out_special_and_unknown_tokens(tiny_model_dir):
    policy = Policy.load(str(tiny_model_dir("llama")))
    assert policy.decode([BOS, ONE, 27, PLUS, EOS]) == "1+"
    assert policy.decode([]) == ""
