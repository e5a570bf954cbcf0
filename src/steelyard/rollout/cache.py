"""Keys and values of running rows, in blocks of columns.

A step reads every column that a row attends to. Within a block these lie side by side in memory, which a processor
reads several times faster than columns out of rows that are longer than what is used of them. And where columns run
out, the blocks that nobody uses any more are put last, and nothing is copied.

Shapes: L layers, S rows, H key-value heads, W columns of a block, E head size, M new rows, T columns.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from steelyard.rollout.network import Network

WIDTH = 32
"""Columns of a block."""


class Cache:
    """Room for `rows` rows of at least `columns` columns."""

    def __init__(self, network: Network, rows: int, columns: int) -> None:
        self._network = network
        self._size = rows
        self._blocks: list[Tensor] = []
        self.grow(columns)

    def grow(self, columns: int) -> None:
        """Have at least this many columns; what is there stays in place."""
        missing = -(-columns // WIDTH) - len(self._blocks)
        self._blocks += [self._network.blank(self._size, WIDTH) for _ in range(missing)]

    def copy(self, row: int, first: int, last: int) -> Float[Tensor, "L 2 H T E"]:
        """One row's columns from `first` to `last`, in memory of their own."""
        return torch.cat([block[:, :, row] for block in self.window(first, last)], 3)

    @property
    def columns(self) -> int:
        """How many there are."""
        return WIDTH * len(self._blocks)

    def window(self, first: int, last: int) -> list[Tensor]:
        """Views of the columns from `first` to `last`, block by block."""
        blocks = self._blocks[first // WIDTH : last // WIDTH + 1]
        blocks[-1] = blocks[-1][..., : last % WIDTH + 1, :]
        blocks[0] = blocks[0][..., first % WIDTH :, :]
        return blocks

    def put(self, rows: slice, prompts: Float[Tensor, "L 2 M H T E"], end: int) -> None:
        """Write prompts into the columns before `end`; of longer ones the last columns."""
        done = 0
        new = prompts[..., max(0, prompts.shape[4] - end) :, :]
        for block in self.window(end - new.shape[4], end - 1) if new.shape[4] else []:
            width = block.shape[4]
            block[:, :, rows] = new[..., done : done + width, :]
            done += width

    def move(self, of: int, to: int, first: int, last: int) -> None:
        """Copy one row's columns into another row."""
        for block in self.window(first, last):
            block[:, :, to] = block[:, :, of]

    def drop(self, columns: int) -> int:
        """Give up as many of the first columns as whole blocks are in `columns`; returns how many these are."""
        blocks = columns // WIDTH
        self._blocks = self._blocks[blocks:] + self._blocks[:blocks]
        return blocks * WIDTH
