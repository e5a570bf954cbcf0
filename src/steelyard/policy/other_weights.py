"""Other weights of the same model beside its own, on a GPU: they change places with them, and nothing is copied.

The reference's weights are wanted for every batch. On a GPU a copy there and back would go through the processor's
memory each time; here they are brought over once and stay until `ROOM` others were wanted since.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from steelyard.core import Block
from steelyard.policy import flat_parameters

ROOM = 2
"""Sets of weights that are kept: the reference's, and those that the engine was last compared under."""


class OtherWeights:
    """Sets of weights on the device of `parameters`, found by the block of bytes that they came from."""

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        self._parameters = [*parameters]
        self._kept: list[tuple[Block, list[Tensor]]] = []

    @contextmanager
    def in_place(self, data: Block) -> Iterator[None]:
        """Have the model compute with these weights inside the `with`, and with its own after it.

        Raises:
            SteelyardError: the block has another size.
        """
        others = self._brought(data)
        own = [p.data for p in self._parameters]
        for p, other in zip(self._parameters, others, strict=True):
            p.data = other
        try:
            yield
        finally:
            for p, mine in zip(self._parameters, own, strict=True):
                p.data = mine

    def _brought(self, data: Block) -> list[Tensor]:
        """The weights on the device. Nobody changes the bytes of weights, so the same block is the same weights."""
        for place, (block, others) in enumerate(self._kept):
            if block is data:
                self._kept.append(self._kept.pop(place))
                return others
        others = [torch.empty_like(p.data) for p in self._parameters]
        flat_parameters.write(others, data)
        self._kept = [*self._kept[1 - ROOM :], (data, others)]
        return others
