"""Sentence embeddings, and how far texts lie apart by them.

    e_i = m_i / |m_i|,   m_i = mean over the tokens of text i of the encoder's last hidden states
    apart = 1 - mean_{i != j} e_i . e_j

N texts, D numbers each. These are the numbers of the package sentence-transformers where it pools by the mean.
Differs: a text is cut at the encoder's context, where that package may be told to cut earlier.
Source: Reimers and Gurevych 2019, arXiv:1908.10084.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from steelyard.core import require
from steelyard.policy.classifier import cut_at
from steelyard.policy.device import moved
from steelyard.policy.loading import load_encoder


class Embedder:
    """A transformers encoder and its tokenizer."""

    def __init__(self, net: Any, tokenizer: Any) -> None:
        self.net = net.eval()
        self.tokenizer = tokenizer

    @classmethod
    def load(cls, model: str, dtype: str = "float32", device: str = "cpu") -> "Embedder":
        """Read it, to a device: auto, cpu, cuda or cuda:NUMBER.

        Raises:
            SteelyardError: there is none of that name, or its files are damaged, incomplete or of another kind; or
                there is no such GPU.
        """
        net, tokenizer = load_encoder(model, dtype)
        return cls(moved(net, device), tokenizer)

    @torch.no_grad()
    def embed(self, texts: Sequence[str], *, batch: int = 64) -> Float[Tensor, "N D"]:
        """The embedding of each text, of length 1 (0 for a text without tokens); what is too long loses its end."""
        require(batch > 0, f"batch is {batch}", where="embedder", hint="use 1 or more")
        parts = [self._means(texts[i : i + batch]) for i in range(0, len(texts), batch)]
        return normalize(torch.cat(parts), dim=-1) if parts else self._zeros(0)

    def _means(self, texts: Sequence[str]) -> Float[Tensor, "N D"]:
        most = cut_at(self.net, self.tokenizer)
        # Padding goes behind, whatever the tokenizer says: places are counted from the front.
        form = {"padding": True, "padding_side": "right", "truncation": True, "max_length": most}
        read = self.tokenizer(list(texts), return_tensors="pt", **form).to(self.net.device)
        said_NT1 = read["attention_mask"].bool().unsqueeze(-1)
        if not said_NT1.any():  # empty texts, of a tokenizer that puts no marks around them
            return self._zeros(len(texts))
        hidden_NTD = self.net(**read)[0].float().masked_fill(~said_NT1, 0.0)
        return hidden_NTD.sum(1) / said_NT1.sum(1).clamp(min=1)

    def _zeros(self, num: int) -> Float[Tensor, "N D"]:
        return torch.zeros(num, self.net.config.hidden_size, device=self.net.device)


def mean_distance(embedding_ND: Float[Tensor, "N D"]) -> float:
    """1 minus the mean cosine over all pairs, from 0 to 2; 0 where there is no pair. Rows have length 1, or are 0."""
    num = len(embedding_ND)
    if num < 2:
        return 0.0
    exact_ND = embedding_ND.double()
    return 1 - float(exact_ND.sum(0).square().sum() - exact_ND.square().sum()) / (num * (num - 1))
