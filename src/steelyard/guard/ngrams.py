"""A guard that reads a text as the set of its short runs of words: a large table, and next to no computation.

    h(x) = tanh(W mean of e_g over the n-grams g of x + b),    harm(x) = sigma(u . h(x) + c)

An n-gram is a run of 1 to `longest` words that is in the vocabulary; a word is what stands between spaces. A run that
occurs twice counts twice; a text without a known run has the mean 0. The table of e has as many rows as there are
n-grams, and a text reads only its own. N texts, D units. It is the deep averaging network of Iyyer et al. 2015, whose
words are n-grams here; `steelyard.guard.sparse_distil` says who teaches it.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from steelyard.core import derive
from steelyard.guard.base import Ruling

READ = 1024
"""Texts that are read at a time."""


class NgramGuard(nn.Module):
    """An n-gram guard.

    Args:
        grams: the vocabulary, each a run of words with one space between two.
        width: D, of the table and of the hidden layer.
        seed: seed of the initial weights.
    """

    def __init__(self, grams: Sequence[str], *, width: int, seed: int) -> None:
        super().__init__()
        self._places = {gram: i for i, gram in enumerate(grams)}
        self.longest = max((gram.count(" ") + 1 for gram in grams), default=0)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(seed, "ngrams"))
            self.table = nn.EmbeddingBag(len(grams), width, mode="mean", sparse=True)
            nn.init.normal_(self.table.weight, std=width**-0.5)
            self.dense = nn.Linear(width, width)
            self.head = nn.Linear(width, 1)

    @property
    def grams(self) -> tuple[str, ...]:
        """The vocabulary."""
        return tuple(self._places)

    @property
    def width(self) -> int:
        """D: units of the hidden layer."""
        return self.head.in_features

    @property
    def num_parameters(self) -> int:
        """Numbers that are fitted; a text reads only the rows of its n-grams."""
        return sum(p.numel() for p in self.parameters())

    def read(self, text: str) -> np.ndarray:
        """The places in the vocabulary of the n-grams of a text, in int64."""
        return np.array([self._places[gram] for gram in runs(text, self.longest) if gram in self._places], np.int64)

    def state(
        self, read: Sequence[np.ndarray], dropout: float = 0.0, draws: np.random.Generator | None = None
    ) -> Float[Tensor, "N D"]:
        """Hidden states of texts that were read, with a gradient.

        Args:
            read: what `read` returned for each text.
            dropout: in training, the share of n-grams, and then of pooled and of hidden units, that are left out.
            draws: which of them.
        """
        if draws is not None:
            read = [places[draws.random(len(places)) >= dropout] for places in read]
        starts = np.cumsum([0, *map(len, read)])[:-1]
        places = np.concatenate([*read, np.zeros(0, np.int64)])
        pooled_ND = self.table(torch.from_numpy(places), torch.from_numpy(starts))
        return _thinned(torch.tanh(self.dense(_thinned(pooled_ND, dropout, draws))), dropout, draws)

    def log_odds(self, state_ND: Float[Tensor, "N D"]) -> Float[Tensor, "N"]:
        """Of harm, given hidden states."""
        return self.head(state_ND).squeeze(-1)

    @torch.no_grad()
    def forward(self, texts: Sequence[str]) -> Ruling:
        """The rulings, with the hidden states."""
        if not texts:
            return Ruling(torch.zeros(0), torch.zeros(0, self.width))
        parts = (texts[i : i + READ] for i in range(0, len(texts), READ))
        state_ND = torch.cat([self.state([self.read(text) for text in part]) for part in parts])
        return Ruling(self.log_odds(state_ND).sigmoid(), state_ND)


def _thinned(x: Tensor, dropout: float, draws: np.random.Generator | None) -> Tensor:
    """The same with some numbers left out and the others made larger, so that the expectation stays."""
    if draws is None or not dropout:
        return x
    return x * torch.from_numpy((draws.random(x.shape) >= dropout) / (1 - dropout)).to(x)


def runs(text: str, longest: int) -> list[str]:
    """All runs of 1 to `longest` words of a text, the short ones first.

    >>> runs("not very good", 2)
    ['not', 'very', 'good', 'not very', 'very good']
    """
    words = text.split()
    found = words.copy()
    for length in range(2, min(longest, len(words)) + 1):
        found += [" ".join(words[i : i + length]) for i in range(len(words) - length + 1)]
    return found


def frequent(texts: Sequence[str], longest: int, size: int) -> list[str]:
    """The most frequent runs of some texts; of equally frequent ones those that come first in the alphabet."""
    counts = Counter(gram for text in texts for gram in runs(text, longest))
    return [gram for gram, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:size]]
