"""A random tiny BERT, for tests of what embeds sentences."""

import json
from pathlib import Path
from typing import Any

MARKS = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]


def save_encoder(place: Path, *, context: int = 16, kind: str = "AutoModel", **changes: Any) -> str:
    """Write one into `place`, with a tokenizer of single characters between [CLS] and [SEP].

    Args:
        place: the directory.
        context: most tokens, of the network alone: the tokenizer states none.
        kind: the class of transformers that is saved.
        changes: settings of the network.
    """
    import tokenizers
    import torch
    import transformers

    vocab = {token: i for i, token in enumerate([*MARKS, *map(chr, range(32, 127))])}
    inner = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocab, unk_token="[UNK]"))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
    inner.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    named = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=inner, **named).save_pretrained(place)
    config = transformers.BertConfig(
        vocab_size=len(vocab), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=context, initializer_range=0.3, **changes,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(13)
        getattr(transformers, kind).from_config(config).save_pretrained(place)
    return str(place)


def save_masked(place: Path, **changes: Any) -> str:
    """Write one with a head that fills what is hidden; its tokenizer hides by "~"."""
    directory = save_encoder(place, kind="AutoModelForMaskedLM", **changes)
    config = place / "tokenizer_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"mask_token": "~"}))
    return directory
