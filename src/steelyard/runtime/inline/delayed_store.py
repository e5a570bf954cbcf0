"""Weights on their way to the searchers of an inline run: seen some publications after they were made, or never."""

from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np

from steelyard.core import Weights, require

Stamp = tuple[int, str] | None
"""Version and digest of a publication; None for a lost one."""


class DelayedWeightStore:
    """Published weights, each visible `lag` publications after it was made.

    Args:
        first: visible from the start.
        lag: publications.
    """

    def __init__(self, first: Weights, lag: int = 0) -> None:
        self._visible = first
        self._lag = lag
        self._coming: deque[Weights | None] = deque()

    def publish(self, weights: Weights) -> None:
        """Add the newest weights."""
        self._advance(weights)

    def lose(self) -> None:
        """A publication that never becomes visible; those before it move on as if it did."""
        self._advance(None)

    def _advance(self, sent: Weights | None) -> None:
        self._coming.append(sent)
        while len(self._coming) > self._lag:
            self._visible = self._coming.popleft() or self._visible

    def newest(self) -> int:
        """The newest visible version."""
        return self._visible.version

    def read(self) -> Weights:
        """The newest visible weights."""
        return self._visible

    def stamps(self) -> list[Stamp]:
        """The visible weights and those on their way, by name."""
        return [w and (w.version, w.digest) for w in (self._visible, *self._coming)]

    def to_bytes(self, known: Mapping[str, np.ndarray]) -> bytes:
        """Safetensors bytes of all these weights, by digest, but for those that are `known` from elsewhere."""
        from safetensors.numpy import save

        held = [w for w in (self._visible, *self._coming) if w is not None]
        return save({w.digest: w.on_host for w in held if w.digest not in known})

    def restore(self, stamps: Sequence[Stamp], found: Mapping[str, np.ndarray]) -> None:
        """Go back to where `stamps` were taken.

        Args:
            stamps: the visible weights first.
            found: bytes of all of them, by digest.

        Raises:
            SteelyardError: some are missing.
        """
        missing = [digest for _, digest in filter(None, stamps) if digest not in found]
        require(
            bool(stamps and stamps[0]) and not missing,
            f"weights {missing} are missing",
            where="checkpoint",
            hint="resume from another checkpoint",
        )
        visible, *coming = [stamp and Weights(found[stamp[1]], *stamp) for stamp in stamps]
        assert visible is not None
        self._visible = visible
        self._coming = deque(coming)
