"""Llama models of five sizes with random weights and 64 characters for a vocabulary: what is measured on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steelyard.core import require, suggest
from steelyard.policy.loading import quiet

VOCABULARY = 64
CONTEXT = 256
END = 1
PAD = 0


@dataclass(frozen=True)
class Size:
    """What a model's size is made of."""

    hidden: int
    layers: int
    heads: int
    inner: int
    keys: int | None = None
    """Heads of keys and values; None for as many as of queries."""
    head: int | None = None
    """Numbers of a head; None for what the heads share of `hidden`."""
    vocabulary: int = VOCABULARY
    context: int = CONTEXT


SIZES = {
    "0.2M": Size(96, 3, 4, 192),  # as the arithmetic model
    "0.5M": Size(128, 3, 4, 256),
    "2M": Size(192, 4, 6, 512),
    "10M": Size(384, 6, 6, 1024),
    "50M": Size(768, 8, 12, 2048),
}


def check_sizes(sizes: tuple[str, ...], known: tuple[str, ...] = tuple(SIZES)) -> None:
    """Refuse sizes that are not known, or none.

    Raises:
        SteelyardError: they are.
    """
    require(bool(sizes), "names none", where="--sizes", hint=f"name some of {', '.join(known)}")
    for size in sizes:
        require(size in known, f"unknown size {size!r}", where="--sizes", hint=suggest(size, known))


def config_of(size: str, *, ends: bool) -> Any:
    """The model's config; with `ends`, token 1 ends a completion, and without, nothing does."""
    return llama_config(SIZES[size], ends=ends)


def llama_config(size: Size, *, ends: bool) -> Any:
    """As `config_of`, of any size."""
    import transformers

    return transformers.LlamaConfig(
        vocab_size=size.vocabulary,
        hidden_size=size.hidden,
        intermediate_size=size.inner,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.keys,
        head_dim=size.head,
        max_position_embeddings=size.context,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=END if ends else None,
        pad_token_id=PAD,
    )


def tokenizer(*, ends: bool) -> Any:
    """One character for each token after padding; with `ends`, after end of sequence too."""
    import tokenizers
    import transformers

    special = ["<pad>", "<eos>"] if ends else ["<pad>"]
    vocab = {token: i for i, token in enumerate([*special, *map(chr, range(48, 48 + VOCABULARY - len(special)))])}
    inner = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocab, unk_token="<pad>"))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
    inner.decoder = tokenizers.decoders.Fuse()
    named = {"eos_token": "<eos>"} if ends else {}
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", model_max_length=CONTEXT, clean_up_tokenization_spaces=False, **named
    )


def make(size: str, directory: Path, *, ends: bool = False, seed: int = 0) -> Path:
    """Write a random model to a directory, and return that."""
    import torch
    import transformers

    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(seed)
        transformers.LlamaForCausalLM(config_of(size, ends=ends)).save_pretrained(directory)
        tokenizer(ends=ends).save_pretrained(directory)
    return directory
