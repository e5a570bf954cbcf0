"""Cautious next-token prediction: where the model is unsure, try several continuations and keep the least perplexing.

Differs: a token is punctuation if its text ends in one of `ends`; token ids were listed in the authors' code.

    H   = - sum_v p_v ln p_v                                                 the next token's entropy (nats)
    n   = n_min + floor((n_max - n_min) clip((H - low) / (high - low), 0, 1))   continuations tried
    PPL = exp(- (1 / T) sum_t ln p(c_t))                                     of a continuation c of T tokens

p is the law after temperature, top-k and top-p. With n = 1 one token is drawn as usual. Else n continuations are drawn,
each up to a punctuation token or its end; the one of least PPL is appended whole, the first of equals. What comes out
does not have the law p. Shapes: N rows, V vocabulary, T tokens of a trial.
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
    proof="experiments.proofs.decode.cntp",
)
@dataclass(frozen=True)
class CNTP:
    """The published rule and its published settings."""

    n_min: PositiveInt = 1
    """Continuations where the model is sure."""
    n_max: int = 10
    """Continuations where it is not; with 1, this is plain sampling."""
    low: NonNegative = 0.01
    """Entropy (nats) up to which there are `n_min`."""
    high: Positive = 1.5
    """Entropy (nats) from which there are `n_max`."""
    ends: str = ".,\n?!:;)]}"
    """Characters that end a continuation."""

    def __post_init__(self) -> None:
        require(self.n_max >= self.n_min, f"is {self.n_max}", where="cntp.n_max", hint="use n_min or more")
        require(self.low < self.high, f"is {self.high}", where="cntp.high", hint="use more than low")

    def trials(self, logits_NV: Float[Tensor, "N V"]) -> Int64[Tensor, "N"]:
        """n for each row."""
        entropy_N = torch.special.entr(logits_NV.double().softmax(1)).sum(1)
        share_N = ((entropy_N - self.low) / (self.high - self.low)).clamp(0, 1)
        return self.n_min + ((self.n_max - self.n_min) * share_N).floor().long()

    def closes(self, text: str) -> bool:
        """True for punctuation."""
        return text.endswith(tuple(self.ends))

    def choose(self, trials: Sequence[Float[np.ndarray, "_"]]) -> int:
        """The least perplexity is the highest mean log-probability."""
        return int(np.argmax([np.mean(logp_T, dtype=np.float64) for logp_T in trials]))
