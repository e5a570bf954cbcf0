"""Turns after the first: over templates and tokenizers, tokens are those sampled and observed, and never made again."""

import pytest
import tokenizers
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import decoders, models, pre_tokenizers, trainers

from conftest import CHAT_TEMPLATE
from steelyard.core import SteelyardError
from steelyard.policy import text

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA3 = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n{{ m.content | trim }}"
    "<|eot_id|>{% endfor %}{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% for m in messages %}<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n"
    "{{ m.content | trim }}<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]"
    "{% else %} {{ m.content }}{{ eos_token }}{% endif %}{% endfor %}"
)
TEMPLATES = {
    "chatml": (CHATML, "<|im_end|>"), "llama3": (LLAMA3, "<|eot_id|>"), "gemma": (GEMMA, "<end_of_turn>"),
    "mistral": (MISTRAL, "</s>"), "plain": (CHAT_TEMPLATE, "#"),
}  # fmt: skip
STRIPS = CHATML.replace(
    "{{ m.content }}", "{{ m.content.split('</think>')[-1] if m.role == 'assistant' else m.content }}"
)
SPECIAL = ["<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>",
           "<start_of_turn>", "<end_of_turn>", "[INST]", "[/INST]"]  # fmt: skip
CHARACTERS = "".join(map(chr, range(32, 127))) + "\n"


def character():
    inner = tokenizers.Tokenizer(models.WordLevel({c: i for i, c in enumerate(["<unk>", *CHARACTERS])}, "<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    inner.decoder = decoders.Fuse()
    return inner


def byte_level():
    inner = tokenizers.Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    corpus = ["user assistant model higher lower the answer is", "system\n\nuser\n", "one two three four"] * 20
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    inner.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet))
    return inner


def words():
    inner = tokenizers.Tokenizer(models.WordLevel(unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    corpus = ["user assistant model a b u : higher lower one two three"]
    inner.train_from_iterator(corpus, trainers.WordLevelTrainer(special_tokens=["<unk>"]))
    return inner


def tokenizer_of(make, template):
    source, end = TEMPLATES[template]
    named = {"bos_token": "<s>", "eos_token": end, "additional_special_tokens": SPECIAL}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=make(), chat_template=source, **named)


ALL = {(make, name): tokenizer_of(make, name) for make in (character, byte_level, words) for name in TEMPLATES}
SAID = st.text("abc 123\n", max_size=12)


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("make", [character, byte_level, words])
@settings(max_examples=15)
@given(data=st.data())
def test_tokens_are_those_sampled_and_observed(make, name, data):
    """The policy's tokens are any at all, as a policy's are: not what its text would be encoded as.

    What an observation adds is what the template writes between two turns, tokenised as it stands there.
    """
    tokenizer = ALL[make, name]
    end = tokenizer.eos_token_id
    messages = [{"role": "user", "content": data.draw(SAID)}]
    tokens = text.encode(tokenizer, messages, (end,))
    ids = st.integers(0, len(tokenizer) - 1).filter(lambda token: token not in tokenizer.all_special_ids)
    for _ in range(data.draw(st.integers(1, 3))):
        sampled = [*data.draw(st.lists(ids, max_size=6)), end]
        told = data.draw(SAID)
        observed = text.encode_next(tokenizer, messages, told, sampled[-1], (end,))
        before = [*tokens]
        tokens = [*tokens, *sampled, *observed]
        assert tokens[: len(before)] == before
        said = text.decode(tokenizer, sampled)
        after = [{"role": "assistant", "content": "x"}, {"role": "user", "content": told}]
        between = render(tokenizer, [*messages, *after]).removeprefix(render(tokenizer, messages)).lstrip(" ")
        assert between.startswith("x")
        written = between[1:] if between[1:].startswith(tokenizer.eos_token) else f"{tokenizer.eos_token}{between[1:]}"
        assert [end, *observed] == tokenizer.encode(written, add_special_tokens=False)
        messages = [*messages, {"role": "assistant", "content": said}, *after[1:]]


def render(tokenizer, messages):
    return tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_that_only_append_are_accepted(name):
    text.check_template(ALL[byte_level, name], "tiny")


def test_a_template_that_rewrites_earlier_turns_is_refused():
    tokenizer = tokenizer_of(byte_level, "chatml")
    tokenizer.chat_template = STRIPS
    with pytest.raises(SteelyardError, match=r"chat template of tiny: it rewrites earlier turns: .*<think>") as error:
        text.check_template(tokenizer, "tiny")
    assert "becomes" in str(error.value)
    tokenizer.chat_template = None
    with pytest.raises(SteelyardError, match="no chat template"):
        text.check_template(tokenizer, "tiny")


def test_plain_text_is_followed_by_plain_text():
    tokenizer = ALL[character, "chatml"]
    end = tokenizer.eos_token_id
    assert tokenizer.decode(text.encode_next(tokenizer, None, "higher ", end, (end,))) == "higher "
    with pytest.raises(SteelyardError, match="plain text"):
        text.encode_next(tokenizer, None, [{"role": "user", "content": "1"}], end, (end,))


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_s_end_of_turn_is_found(name):
    tokenizer = ALL[byte_level, name]
    source, end = TEMPLATES[name]
    expected = tokenizer.convert_tokens_to_ids(end) if end in source or "eos_token" in source else None
    assert text.turn_end(tokenizer) == expected


def test_a_template_may_end_turns_otherwise_than_the_tokenizer_says():
    tokenizer = tokenizer_of(byte_level, "chatml")
    tokenizer.eos_token = "</s>"
    assert text.turn_end(tokenizer) == tokenizer.convert_tokens_to_ids("<|im_end|>")
    tokenizer.chat_template = None
    assert text.turn_end(tokenizer) is None
