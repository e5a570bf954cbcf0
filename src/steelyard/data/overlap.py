"""How two completions of a prompt lie to each other in a model's hidden states.

    S = sum_{k=1..|y|} h_{x, y<k}

h_{x, y<k} [D] is the last layer's hidden state from which token k of y is predicted: that of the prompt's last token
first, that of the last token of y never. Lengths are true lengths in tokens, the end of sequence included.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from steelyard.policy.text import Text


@dataclass(frozen=True)
class Comparison:
    """A prompt with the preferred and the dispreferred completion."""

    prompt: Text
    chosen: str
    rejected: str


@dataclass(frozen=True)
class Overlap:
    """The inner products of both sums of hidden states, and both lengths."""

    dot: float
    """<S+, S->."""
    square: float
    """|S+|^2."""
    chosen_tokens: int
    """|y+|."""
    rejected_tokens: int
    """|y-|."""


@runtime_checkable
class Reader(Protocol):
    """Reads texts. What it says of a comparison follows from that comparison alone."""

    @property
    def name(self) -> str:
        """What it is, for the records that it had a part in."""
        ...

    def __call__(self, comparisons: Sequence[Comparison]) -> list[Overlap]:
        """The overlap of each comparison, in order."""
        ...
