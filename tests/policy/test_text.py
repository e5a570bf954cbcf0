import shutil

import pytest

from steelyard.core import SteelyardError
from steelyard.policy import Policy, text

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


def test_a_text_that_brings_its_own_beginning_does_not_get_it_twice(tiny_model_dir):
    """Such a text went through a chat template before."""
    policy = Policy.load(str(tiny_model_dir("llama")))
    assert policy.encode("<bos>1+2") == policy.encode("1+2") == [BOS, ONE, PLUS, TWO]
    assert policy.encode("<bos><bos>1") == [BOS, BOS, ONE], "two that were written are two"
    assert policy.encode("11") == [BOS, ONE, ONE]
    assert policy.encode("1<bos>1") == [BOS, ONE, BOS, ONE]
    without = Policy.load(str(tiny_model_dir("qwen3")))
    assert without.encode("11") == [ONE, ONE]


def test_a_beginning_of_several_tokens_is_not_doubled(tiny_model_dir, tmp_path):
    import tokenizers

    policy = Policy.load(str(shutil.copytree(tiny_model_dir("llama"), tmp_path / "m")))
    policy.tokenizer.backend_tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="<pad> <bos> $A", special_tokens=[("<bos>", BOS), ("<pad>", 1)]
    )
    assert policy.encode("<pad><bos>1") == policy.encode("1") == [1, BOS, ONE]


def test_a_last_message_of_the_assistant_is_continued(tiny_model_dir):
    policy = Policy.load(str(tiny_model_dir("qwen3")))
    asked = [{"role": "b", "content": "1+2="}]
    begun = [*asked, {"role": "assistant", "content": "12"}]
    closed = [*begun, {"role": "b", "content": "1"}]
    assert policy.decode(policy.encode(begun)) == policy.decode(policy.encode(closed)).split("12")[0] + "12"
    told = policy.encode_next(begun, "3", EOS)
    after = policy.encode_next([*asked, {"role": "assistant", "content": ""}], "3", EOS)
    assert told == after, "what follows the turn is the same, however it began"
    assert text.with_turn(begun, "34") == [*asked, {"role": "assistant", "content": "1234"}]
    assert text.with_turn(asked, "34") == [*asked, {"role": "assistant", "content": "34"}]


def test_arguments_of_the_template(tiny_model_dir):
    policy = Policy.load(str(tiny_model_dir("qwen3")))
    policy.tokenizer.chat_template += "{% if enable_thinking is defined and not enable_thinking %}7{% endif %}"
    asked = [{"role": "b", "content": "1"}]
    plain = policy.encode(asked)
    policy.chat_options = {"enable_thinking": False}
    assert policy.decode(policy.encode(asked)) == policy.decode(plain) + "7"
    assert policy.encode_all([asked, asked])[1] == policy.encode(asked)


@pytest.mark.parametrize("family", FAMILIES)
def test_many_prompts_are_encoded_as_one_by_one(tiny_model_dir, family):
    policy = Policy.load(str(tiny_model_dir(family)))
    prompts = ["1+2", "", "<bos>1", "1<eos>", "11", "<bos><bos>1"]
    if family == "qwen3":
        prompts += [
            [{"role": "b", "content": "1"}],
            [{"role": "b", "content": "1"}, {"role": "assistant", "content": "2"}],
        ]
    assert policy.encode_all(prompts) == [policy.encode(prompt) for prompt in prompts]
