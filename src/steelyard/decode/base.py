"""What a rule that tries continuations is, apart from the engine that drives it. N rows, V vocabulary, T tokens."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int64
from torch import Tensor


@runtime_checkable
class DecodeRule(Protocol):
    """Says how many continuations are tried from a position, where one ends, and which one is kept.

    A rule draws nothing and remembers nothing. It is shown the law that tokens are drawn from: after temperature, top-k
    and top-p.
    """

    def trials(self, logits_NV: Float[Tensor, "N V"]) -> Int64[Tensor, "N"]:
        """How many continuations each row gets, at least 1; with 1, a token is drawn as usual.

        Args:
            logits_NV: of the next token's law, which is their softmax; minus infinity where a token was cut off.
        """
        ...

    def closes(self, text: str) -> bool:
        """True where a token with this text is a continuation's last."""
        ...

    def choose(self, trials: Sequence[Float[np.ndarray, "_"]]) -> int:
        """Which of a position's continuations is kept, given the log-probabilities (nats) of each one's tokens."""
        ...
