"""A saved encoder whose attention transformers does not have, with what is used of a transformers classifier.

    logits = encoder(tokens, attend);   state = encoder.hidden(tokens, attend)

`load_classifier` and `load_encoder` come here for a directory that `Encoder.save` wrote with such an attention.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from steelyard.core import require
from steelyard.model import Encoder
from steelyard.model.encoder import FAMILY, is_own
from steelyard.policy.native_config import read_json
from steelyard.policy.native_loader import CONFIG


class Logits(NamedTuple):
    """What the network answers."""

    logits: Tensor
    hidden_states: tuple[Tensor]
    """Of the last layer alone."""


class States(NamedTuple):
    """What the network without a head answers."""

    last_hidden_state: Tensor


@dataclass(frozen=True)
class OwnConfig:
    """The keys of a config that are read of any network."""

    num_labels: int
    id2label: dict[int, str]
    max_position_embeddings: int
    hidden_size: int
    architectures: tuple[str, ...]
    is_encoder_decoder: bool = False
    model_type: str = FAMILY


class OwnEncoder(nn.Module):
    """The encoder, called as transformers' networks are.

    Args:
        encoder: what was saved.
        head: answer with the head's logits; else with hidden states.
    """

    def __init__(self, encoder: Encoder, *, head: bool) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head
        sizes = encoder.sizes
        self.config = OwnConfig(
            num_labels=sizes.num_labels,
            id2label=dict(enumerate(sizes.label_names)),
            max_position_embeddings=sizes.context_length,
            hidden_size=sizes.hidden_size,
            architectures=(),
        )

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.get_input_embeddings().weight.device

    def get_input_embeddings(self) -> nn.Embedding:
        """Tokens to hidden states."""
        return self.encoder.model.embeddings.tok_embeddings

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **_: object) -> Logits | States:
        """Logits or hidden states of texts that are padded behind; token types are not read."""
        hidden_NTD = self.encoder.hidden(input_ids, attention_mask)
        if self.head:
            return Logits(self.encoder.logits(hidden_NTD, attention_mask), (hidden_NTD,))
        return States(hidden_NTD)


def read_own_encoder(place: str, dtype: torch.dtype, *, head: bool, empty: bool) -> tuple[OwnEncoder, Any] | None:
    """The network in a directory and its tokenizer; None where the directory holds a model of transformers.

    Args:
        place: the directory.
        dtype: of the weights.
        head: with its head, which must be for whole texts.
        empty: give it shapes and no numbers; its files are read and checked all the same.

    Raises:
        SteelyardError: its files are damaged or miss a tokenizer, or its head is for single tokens.
    """
    config = read_json(Path(place) / CONFIG)
    if not isinstance(config, dict) or not is_own(config):
        return None
    encoder = Encoder.load(Path(place))
    whole = encoder.sizes.head == "sequence" or not head
    hint = "take one whose head is for texts"
    require(whole, f"{place} has a head for tokens ({encoder.sizes.head})", where="model", hint=hint)
    net = OwnEncoder(encoder.to(dtype), head=head).eval()
    return (net.to("meta") if empty else net), _tokenizer(Path(place))


def _tokenizer(place: Path) -> Any:
    from transformers import PreTrainedTokenizerFast

    there = (place / "tokenizer.json").is_file()
    require(there, f"{place} holds no tokenizer", where="model", hint="save its tokenizer beside it")
    # Places are counted from the front, so padding goes behind.
    return PreTrainedTokenizerFast.from_pretrained(place, local_files_only=True, padding_side="right")
