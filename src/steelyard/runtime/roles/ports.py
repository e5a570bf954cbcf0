"""The way of weights from the learner to searchers and evaluator, whatever carries them."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from steelyard.core import Weights, WeightStore

Fill = Callable[[UInt8[np.ndarray, "B"]], object]
"""Overwrites all B bytes that it is given, and keeps no hold of them."""


@runtime_checkable
class WeightWriter(Protocol):
    """The learner's end. Neither method waits for a reader."""

    def publish(self, weights: Weights) -> None:
        """Make these the newest weights."""
        ...

    def write(self, version: int, fill: Fill, block: UInt8[Tensor, "B"] | None = None) -> str:
        """Take what `fill` writes as the next weights; nobody sees them before `show`. Returns their digest.

        `block` are the same bytes on the learner's device, for readers that compute there.
        """
        ...

    def show(self, version: int) -> None:
        """Make what was written last, weights of this version, the newest."""
        ...

    @property
    def memory(self) -> UInt8[np.ndarray, "M"] | None:
        """The memory that every `fill` writes into a part of; None where it is another each time."""
        ...


@runtime_checkable
class Ports(Protocol):
    """Both ends, for the weights and for the reference."""

    def create(
        self, first: Weights, reference: Weights, device: torch.device | None = None
    ) -> tuple[WeightWriter, WeightWriter]:
        """The learner's ends, with the first weights and the reference published.

        With a device, weights go through its memory too, to those readers that `attach` with the same one.
        """
        ...

    def attach(self, device: torch.device | None = None) -> tuple[WeightStore, WeightStore]:
        """Everybody else's ends: weights, and references. Asked for once the learner has created its own."""
        ...
