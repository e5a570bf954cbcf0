"""Cautious next-token prediction: where the model is unsure, sample several continuations and keep the likeliest.

Differs: a token is punctuation if its text ends in one of `ends`; the authors' code lists token ids.

    H   = - sum_v p_v ln p_v                                                 the next token's entropy (nats)
    n   = n_min + floor((n_max - n_min) clip((H - low) / (high - low), 0, 1))   candidates
    PPL = exp(- (1 / T) sum_t ln p(c_t))                                     of a continuation c of T tokens

p is the distribution after temperature, top-k and top-p. With n = 1, one token is sampled as usual. Otherwise n
candidates are sampled, each up to a punctuation token or its end. The candidate with the lowest PPL (the first among
equals) is appended whole. So the output is not distributed as p. N rows, V vocabulary, T tokens of a candidate.
Source: Wang et al. 2025, arXiv:2507.03038.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from steelyard.core import NonNegative, Positive, PositiveInt, method, require


@method(
    "cntp",
    paper="arXiv:2507.03038",
    claim="more right answers than plain sampling at a high temperature, and more diverse ones than greedy",
)
@dataclass(frozen=True)
class CNTP:
    """The published rule with its published settings."""

    n_min: PositiveInt = 1
    """Candidates where the model is confident."""
    n_max: int = 10
    """Candidates where it is not; with 1, this is plain sampling."""
    low: NonNegative = 0.01
    """Entropy (nats) up to which there are `n_min` candidates."""
    high: Positive = 1.5
    """Entropy (nats) from which on there are `n_max` candidates."""
    ends: str = ".,\n?!:;)]}"
    """Characters that end a candidate."""

    def __post_init__(self) -> None:
        require(self.n_max >= self.n_min, f"is {self.n_max}", where="cntp.n_max", hint="use n_min or more")
        require(self.low < self.high, f"is {self.high}", where="cntp.high", hint="use more than low")

    def num_candidates(self, logits_NV: Float[Tensor, "N V"]) -> Int64[Tensor, "N"]:
        """The number of candidates n for each row."""
        entropy_N = torch.special.entr(logits_NV.double().softmax(1)).sum(1)
        share_N = ((entropy_N - self.low) / (self.high - self.low)).clamp(0, 1)
        return self.n_min + ((self.n_max - self.n_min) * share_N).floor().long()

    def closes(self, text: str) -> bool:
        """True if the text ends in punctuation."""
        return text.endswith(tuple(self.ends))

    def choose(self, candidates: Sequence[Float[np.ndarray, "_"]]) -> int:
        """The candidate with the lowest perplexity, which is the highest mean log-probability."""
        return int(np.argmax([np.mean(logp_T, dtype=np.float64) for logp_T in candidates]))
