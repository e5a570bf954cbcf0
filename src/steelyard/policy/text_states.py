"""An encoder that is being trained: the hidden state of each token of a text, with a gradient.

    state_NTD, said_NT = states(texts);    mean = sum over said tokens of state / their number

N texts, T tokens, D numbers of a state. It is read without dropout in training too, so that a run repeats bit for bit
after a resume; what is too long for the network loses its end. `Embedder` reads a finished one.
"""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from steelyard.policy.classifier import cut_at
from steelyard.policy.device import moved
from steelyard.policy.loading import load_encoder, quiet
from steelyard.policy.lora import LoRA, adapt
from steelyard.policy.own_encoder import OwnEncoder

KNOWN = 100_000
"""Texts whose tokens are kept, at most."""


class Read(NamedTuple):
    """What was read of N texts."""

    state_NTD: Float[Tensor, "N T D"]
    """0 at padding."""
    said_NT: Bool[Tensor, "N T"]
    """False at padding."""

    @property
    def mean_ND(self) -> Float[Tensor, "N D"]:
        """The mean state of each text; 0 for one without tokens."""
        return self.state_NTD.sum(1) / self.said_NT.sum(1, keepdim=True).clamp(min=1)


class TextStates(nn.Module):
    """A transformers encoder, or one of ours, with its tokenizer.

    Args:
        net: the encoder.
        tokenizer: one that pads.
        lora: adapters to train in place of all weights; None trains all.
        seed: of the adapters.
    """

    def __init__(self, net: Any, tokenizer: Any, lora: LoRA | None = None, *, seed: int = 0) -> None:
        super().__init__()
        self.net = net.eval()
        self.tokenizer = tokenizer
        # In a tuple: as a part of this module its weights would be saved twice.
        self._adapted = () if lora is None else (adapt(self.net, lora, seed),)
        self._most = cut_at(net, tokenizer)
        self._known: dict[str, list[int]] = {}

    @classmethod
    def load(cls, model: str, lora: LoRA | None = None, *, seed: int = 0, device: str = "cpu") -> "TextStates":
        """Read an encoder, to a device: auto, cpu, cuda or cuda:NUMBER.

        Raises:
            SteelyardError: there is none of that name, or its files are damaged, incomplete or of another kind; or
                there is no such GPU.
        """
        net, tokenizer = load_encoder(model, "float32")
        return cls(moved(net, device), tokenizer, lora, seed=seed)

    @property
    def width(self) -> int:
        """D: numbers of a state."""
        return int(self.net.config.hidden_size)

    def forward(self, texts: Sequence[str]) -> Read:
        """The states of some texts."""
        tokens = self._tokens(texts)
        longest = max(map(len, tokens), default=0)
        said_NT = torch.tensor([[t < len(row) for t in range(longest)] for row in tokens]).to(self.net.device)
        if not longest:  # nothing but empty texts, and a tokenizer that puts nothing around them
            nothing = torch.zeros(len(texts), 1, self.width, device=self.net.device)
            return Read(nothing, torch.zeros(len(texts), 1, dtype=torch.bool, device=self.net.device))
        # Padding goes behind, whatever the tokenizer says: places are counted from the front.
        pad = self.tokenizer.pad_token_id
        token_NT = torch.tensor([row + [pad] * (longest - len(row)) for row in tokens]).to(self.net.device)
        state_NTD = self.net(input_ids=token_NT, attention_mask=said_NT.long())[0].float()
        return Read(state_NTD.masked_fill(~said_NT.unsqueeze(-1), 0.0), said_NT)

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of each text; a fit reads the same texts again and again."""
        if len(self._known) > KNOWN:
            self._known.clear()
        new = [*{text for text in texts if text not in self._known}]
        if new:
            read = self.tokenizer(new, truncation=True, max_length=self._most)["input_ids"]
            self._known.update(zip(new, read, strict=True))
        return [self._known[text] for text in texts]

    def save(self, directory: Path) -> None:
        """Write a directory that `load` reads, and transformers where the encoder is one of its own; adapters are
        merged."""
        net = copy.deepcopy(self._adapted[0]).merge_and_unload() if self._adapted else self.net
        with quiet():
            if isinstance(net, OwnEncoder):
                net.encoder.save(directory)
            else:
                net.save_pretrained(directory)
            self.tokenizer.save_pretrained(directory)
