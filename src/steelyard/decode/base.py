"""The interface of a decode rule, which an engine drives. N rows, V vocabulary, T tokens."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int64
from torch import Tensor


@runtime_checkable
class DecodeRule(Protocol):
    """Decides how many candidate continuations are sampled at a position, where each ends, and which one is kept.

    A rule is stateless and samples nothing itself. The logits that it reads are those that tokens are sampled from:
    after temperature, top-k and top-p.
    """

    def num_candidates(self, logits_NV: Float[Tensor, "N V"]) -> Int64[Tensor, "N"]:
        """The number of candidates for each row, at least 1; with 1, one token is sampled as usual.

        Args:
            logits_NV: the next token's logits; -inf for tokens that top-k or top-p removed.
        """
        ...

    def closes(self, text: str) -> bool:
        """True if a token with this text ends a candidate."""
        ...

    def choose(self, candidates: Sequence[Float[np.ndarray, "_"]]) -> int:
        """The index of the candidate to keep, given the log-probabilities (nats) of each one's tokens."""
        ...
