"""What the native engine asks of its running rows, whichever way they lie in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float64
from torch import Tensor

from steelyard.core import Request, Sampling
from steelyard.rollout.endings import By, Endings
from steelyard.rollout.prefix_cache import Read


@dataclass(frozen=True)
class EndedRow:
    """A row that ended: T tokens, prompt first; log-probabilities and versions of those that were drawn."""

    request: Request
    tokens_T: np.ndarray
    logp: np.ndarray
    versions: np.ndarray
    cache: Float[Tensor, "L 2 H T E"] | None
    """Keys and values of all its tokens but the last; None unless they were asked for."""


def moves(ended: np.ndarray, running: int) -> tuple[np.ndarray, np.ndarray]:
    """Places that rows leave which have ended, and the last of the `running` rows, which move there, in order."""
    left = running - len(ended)
    return ended[ended < left], np.setdiff1d(np.arange(left, running), ended, assume_unique=True)


@runtime_checkable
class RunningRows(Protocol):
    """Rows of a batch; see `rows.Rows` and `fixed_rows.FixedRows`."""

    size: int
    slack: int
    running: int

    @property
    def free(self) -> int:
        """How many rows can be let in."""
        ...

    def on_weight_update(self) -> None:
        """The weights have changed while rows run."""
        ...

    def make_room(self, prompt: int, steps: int) -> bool:
        """Have columns for a prompt of so many tokens, and `steps` from it on; False where it has to wait."""
        ...

    def admit(
        self, requests: Sequence[Request], index: Sequence[int], read: Read, uniform_MS: Float64[np.ndarray, "M S"]
    ) -> None:
        """Begin M rows: `index` says which of the prompts that were read is whose; `uniform_MS` draws their tokens."""
        ...

    def resume(self, request: Request, cache: Float[Tensor, "L 2 H T E"], uniform_S: Float64[np.ndarray, "S"]) -> None:
        """Go on with an episode whose first T tokens are known."""
        ...

    def advance(self) -> None:
        """Read the tokens that were drawn last; the next logits are then there."""
        ...

    def draw(self, sampling: Sampling, endings: Endings, version: int) -> tuple[np.ndarray, list[By]]:
        """Draw for each row; returns the rows that end by it, and how each does."""
        ...

    def end(self, rows: np.ndarray, *, keep: bool = False) -> list[EndedRow]:
        """Take rows out; the last ones that run move to their places. `keep` copies their keys and values."""
        ...
