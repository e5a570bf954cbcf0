"""A policy whose vocabulary has some more tokens, such as control tags.

A token that the tokenizer knows already is left as it is. New ones become special tokens, which decoded text leaves
out. Their ids follow the tokenizer's others; where the embedding has no rows for them, it grows, and so does the head.
A new row is the mean of the old ones, plus noise of a hundredth of their spread from a generator of its own: the new
tokens begin as an average one, and apart.
Source: Hewitt 2021, "Initializing new word embeddings for pretrained language models".
"""

import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from steelyard.policy import loading
from steelyard.policy.policy import Policy
from steelyard.policy.text import Tokenizer

_NOISE = 0.01


def unknown(tokenizer: Tokenizer, tokens: Sequence[str]) -> list[str]:
    """Those of the tokens that the tokenizer has no id for."""
    known = tokenizer.get_vocab()
    return [token for token in tokens if token not in known]


def teach(tokenizer: Tokenizer, tokens: Sequence[str]) -> None:
    """Give the tokenizer an id for each of these tokens, which it does not know."""
    tokenizer.add_tokens(list(tokens), special_tokens=True)


def load_with_tokens(model: str, tokens: Sequence[str], *, dtype: str = "float32", seed: int = 0) -> Policy:
    """`Policy.load`, with an id for each of the tokens.

    A model that has to grow is written to a directory beside others of temporary files, and read again from there: it
    is then computed as any model of its kind. That takes the disk space of one copy for a moment.

    Raises:
        SteelyardError: as for `Policy.load`.
    """
    policy = Policy.load(model, dtype=dtype)
    missing = unknown(policy.tokenizer, tokens)
    if not missing:
        return policy
    teach(policy.tokenizer, missing)
    rows = max(policy.tokenizer.get_vocab().values()) + 1
    if rows <= policy.vocab_size:
        return policy
    net: Any = loading.load(model, dtype)[0]
    with loading.quiet(), TemporaryDirectory() as place:
        _grow(net, rows, seed)
        net.save_pretrained(place)
        policy.tokenizer.save_pretrained(Path(place))
        return Policy.load(os.fspath(place), dtype=dtype)


def _grow(net: Any, rows: int, seed: int) -> None:
    """Give embedding and head so many rows; what was there stays, bit for bit."""
    before = net.get_input_embeddings().weight.shape[0]
    net.resize_token_embeddings(rows, mean_resizing=False)
    generator = torch.Generator().manual_seed(seed)
    weights = [net.get_input_embeddings().weight, net.get_output_embeddings().weight]
    with torch.no_grad():
        for weight in weights[: 1 if weights[0] is weights[1] else 2]:
            weight[before:] = _new_rows(weight[:before].float(), rows - before, generator).to(weight.dtype)


def _new_rows(old_VD: Tensor, number: int, generator: torch.Generator) -> Tensor:
    spread_D = old_VD.std(0, keepdim=True)
    noise_ND = torch.randn(number, old_VD.shape[1], generator=generator)
    return old_VD.mean(0, keepdim=True) + _NOISE * spread_D * noise_ND
