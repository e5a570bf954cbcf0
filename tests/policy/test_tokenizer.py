import json
import shutil

import pytest
import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from steelyard.policy import loading
from steelyard.policy.text import decode, encode
from steelyard.policy.tokenizer import read_tokenizer

TEXTS = [
    "", " ", "1+2=", "a b  c", "abc#:e", "12+7-15=", "<eos>", "1<eos>2", "<bos>1", " <pad> ", "<eos", "\n\t", "ünï",
    "漢字", "e\u0301", "\u00a0", "🙂 a", "don't stop", "A" * 300, "The quick brown fox.  jumps", "a ,b . c !", "\u200d",
    "\ufeffa",
]  # fmt: skip
SPECIAL = ["<eos>", "<pad>", "<bos>"]


def _trained(model, trainer, **parts):
    inner = tokenizers.Tokenizer(model)
    for name, part in parts.items():
        setattr(inner, name, part)
    inner.train_from_iterator([*TEXTS, "the quick brown fox jumps over the lazy dog " * 9], trainer)
    return inner


def _byte_level():
    """As in Llama 3 and Qwen."""
    return _trained(
        models.BPE(),
        trainers.BpeTrainer(
            vocab_size=340, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
        pre_tokenizer=pre_tokenizers.ByteLevel(add_prefix_space=False),
        post_processor=processors.ByteLevel(trim_offsets=False),
        decoder=decoders.ByteLevel(),
        normalizer=normalizers.NFC(),
    )  # fmt: skip


def _sentencepiece():
    """As in Llama 2: words begin with a mark, and text begins with <bos>."""
    return _trained(
        models.BPE(unk_token="<unk>", fuse_unk=True),
        trainers.BpeTrainer(vocab_size=200, special_tokens=["<unk>", *SPECIAL], show_progress=False),
        normalizer=normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]),
        post_processor=processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 3)]),
        decoder=decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)]),
    )


def _unigram():
    return _trained(
        models.Unigram(),
        trainers.UnigramTrainer(
            vocab_size=120, special_tokens=["<unk>", *SPECIAL], unk_token="<unk>", show_progress=False
        ),
        pre_tokenizer=pre_tokenizers.Metaspace(),
        decoder=decoders.Metaspace(),
        post_processor=processors.TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", 1)]),
    )


MADE = {"byte level": _byte_level, "sentencepiece": _sentencepiece, "unigram": _unigram}


@pytest.fixture(params=["llama", "qwen3"])
def copied(request, tiny_model_dir, tmp_path):
    return shutil.copytree(tiny_model_dir(request.param), tmp_path / "model")


def _change(path, **entries):
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def _equal(place):
    """What a policy asks of either tokenizer, of many texts and of every token."""
    from transformers import AutoTokenizer

    bare, theirs = read_tokenizer(place), AutoTokenizer.from_pretrained(place, local_files_only=True)
    assert bare is not None
    assert bare.get_vocab() == theirs.get_vocab()
    for fact in ("bos_token", "eos_token", "pad_token", "bos_token_id", "eos_token_id", "pad_token_id"):
        assert getattr(bare, fact) == getattr(theirs, fact), fact
    assert bare.model_max_length == theirs.model_max_length
    assert bare.chat_template == theirs.chat_template
    for text in TEXTS:
        for special in (True, False):
            assert bare.encode(text, add_special_tokens=special) == theirs.encode(text, add_special_tokens=special)
        ids = encode(bare, text, (0, 1))
        assert ids == encode(theirs, text, (0, 1))
        assert decode(bare, ids) == decode(theirs, ids)
    every = [*range(len(bare.get_vocab()) + 3)]
    for ids in (every, every[::-1], *([i] for i in every)):
        assert decode(bare, ids) == decode(theirs, ids)


def test_characters(copied):
    _equal(copied)


@pytest.mark.parametrize("name", ["arithmetic", "enumerable"])
def test_shipped(name):
    from transformers import AutoTokenizer

    bare, theirs = read_tokenizer(loading.SHIPPED / name), AutoTokenizer.from_pretrained(loading.SHIPPED / name)
    assert bare is not None
    text = "".join(token for token in bare.get_vocab() if len(token) == 1)
    assert bare.encode(text) == theirs.encode(text)
    assert bare.get_vocab() == theirs.get_vocab()
    assert (bare.eos_token_id, bare.pad_token_id) == (theirs.eos_token_id, theirs.pad_token_id)
    for tokenizer in (bare, theirs):
        if name == "enumerable":  # it has no token for the unknown
            with pytest.raises(Exception, match="UNK"):
                tokenizer.encode("1")


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
@pytest.mark.parametrize("by_transformers", [False, True])
def test_of_other_kinds(copied, make, by_transformers):
    if by_transformers:
        import transformers

        named = {"eos_token": "<eos>", "bos_token": "<bos>", "pad_token": "<pad>"}
        for path in copied.glob("*token*"):
            path.unlink()
        transformers.PreTrainedTokenizerFast(tokenizer_object=make(), **named).save_pretrained(copied)
    else:
        make().save(str(copied / "tokenizer.json"))
    _equal(copied)


def test_settings_that_change_nothing(copied):
    _change(
        copied / "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast", padding_side="left",
        clean_up_tokenization_spaces=True, model_max_length=64,
    )  # fmt: skip
    _equal(copied)


def test_chat_messages_are_written_as_transformers_writes_them(copied):
    from transformers import AutoTokenizer

    (copied / "chat_template.jinja").write_text(
        "{{ bos_token }}{% for m in messages %}{{ m['content'] + eos_token }}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'a:' }}{% endif %}"
    )
    bare, theirs = read_tokenizer(copied), AutoTokenizer.from_pretrained(copied)
    if theirs.bos_token is None:
        _change(copied / "tokenizer_config.json", bos_token="<pad>")
        bare, theirs = read_tokenizer(copied), AutoTokenizer.from_pretrained(copied)
    messages = [{"role": "user", "content": "1+2="}, {"role": "a", "content": "<eos>3"}]
    assert encode(bare, messages, (0,)) == encode(theirs, messages, (0,))


def _rewrite(place, **entries):
    _change(place / "tokenizer.json", **entries)


def _settings(**entries):
    return lambda place: _change(place / "tokenizer_config.json", **entries)


NOT_KNOWN = {
    "a class of its own": _settings(tokenizer_class="LlamaTokenizer"),
    "a class of Qwen's": _settings(tokenizer_class="Qwen2TokenizerFast"),
    "code": _settings(auto_map={"AutoTokenizer": ["evil.Evil", None]}),
    "something in front": _settings(add_bos_token=True),
    "more special tokens": _settings(extra_special_tokens=["#"]),
    "old special tokens": _settings(added_tokens_decoder={"3": {"content": ":", "special": True}}),
    "a special token that is none in tokenizer.json": _settings(eos_token=":"),
    "a special token that is not there at all": _settings(eos_token="<end>"),
    "a special token with properties": _settings(eos_token={"content": "<eos>", "lstrip": True}),
    "several templates": _settings(chat_template=[{"name": "default", "template": ""}]),
    "special tokens that are split": _settings(split_special_tokens=True),
    "no settings": lambda place: (place / "tokenizer_config.json").unlink(),
    "no tokenizer": lambda place: (place / "tokenizer.json").unlink(),
    "a tokenizer that is broken": lambda place: (place / "tokenizer.json").write_text("{"),
    "a tokenizer of nothing": lambda place: (place / "tokenizer.json").write_text("{}"),
    "a tokenizer that cuts": lambda place: _rewrite(
        place, truncation={"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0}
    ),
    "added tokens elsewhere": lambda place: (place / "added_tokens.json").write_text('{"~": 24}'),
    "another family": lambda place: _change(place / "config.json", model_type="qwen2"),
    "a class that the model names": lambda place: _change(place / "config.json", tokenizer_class="LlamaTokenizer"),
}


@pytest.mark.parametrize("change", NOT_KNOWN.values(), ids=NOT_KNOWN)
def test_whatever_is_not_known_is_left_to_transformers(copied, change):
    assert read_tokenizer(copied) is not None
    change(copied)
    assert read_tokenizer(copied) is None
