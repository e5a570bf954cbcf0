"""Two slots of weights in memory of the device that learner and searchers share, beside the two of `shared.py`.

    learner     clears the stamps of slot i;  its copy -> slot i, waited for;  sums of its copy;  stamps slot i
    searcher    reads the stamps of slot i;  slot i -> memory of its own, waited for;  reads the stamps again;  sums

The stamps are those of slot i in shared memory, so a version is whole in both places or in neither. Whoever asked the
device for a copy waits for it before it looks at a stamp or sets one: no event goes from process to process, and a
reader needs no count, since a slot that was overwritten under it is found out by its stamps. The slots live as long as
the learner; a run does not outlive it, and one that is resumed has new ones, which its new searchers open.

That is an argument, and a fault in it would mix two versions without a sign. So every reader adds up what it took, and
compares that with what the learner added up of its own copy, not of the slot.
"""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import UInt8
from torch import Tensor

_PIECE = 2**22  # words that are added up at a time
_LOWER = 2**32 - 1
_ALIGNED = 256


@runtime_checkable
class DeviceMemory(Protocol):
    """Memory of a device that several processes open."""

    def make(self, num_bytes: int) -> tuple[UInt8[Tensor, "M"], bytes]:
        """Memory, and the name by which other processes open it."""
        ...

    def open(self, name: bytes) -> UInt8[Tensor, "M"]:
        """Memory that another process has made, which is still there."""
        ...

    def copy(self, target: UInt8[Tensor, "B"], source: UInt8[Tensor, "B"]) -> None:
        """Copy the bytes, and return when they have arrived."""
        ...


class DeviceSlots:
    """The slots, as one process has them.

    Args:
        memory: the device's.
        block_M: both slots.
        num_bytes: of weights.
    """

    def __init__(self, memory: DeviceMemory, block_M: UInt8[Tensor, "M"], num_bytes: int) -> None:
        self._memory = memory
        self._slots = [block_M[start : start + num_bytes] for start in (0, _stride(num_bytes))]

    @classmethod
    def make(cls, memory: DeviceMemory, num_bytes: int) -> tuple["DeviceSlots", bytes]:
        """The learner's, and the name by which others open them."""
        block_M, name = memory.make(2 * _stride(num_bytes))
        return cls(memory, block_M, num_bytes), name

    @classmethod
    def open(cls, memory: DeviceMemory, name: bytes, num_bytes: int) -> "DeviceSlots":
        """A reader's."""
        return cls(memory, memory.open(name), num_bytes)

    def put(self, number: int, block_B: UInt8[Tensor, "B"]) -> tuple[int, int]:
        """Copy the block into a slot; returns the sums of the block."""
        slot_B = self._slots[number]
        source_B = block_B.to(slot_B.device)
        self._memory.copy(slot_B, source_B)
        return sums_of(source_B)

    def take(self, number: int) -> UInt8[Tensor, "B"]:
        """A copy of a slot, in memory of this process's own."""
        own_B = torch.empty_like(self._slots[number])
        self._memory.copy(own_B, self._slots[number])
        return own_B


def sums_of(block_B: UInt8[Tensor, "B"]) -> tuple[int, int]:
    """Two sums of the bytes, taken as 64-bit words w; both wrap around.

        sum_i h(w_i),  sum_i i h(w_i),  h(w) = w ^ (its upper half, moved down),  i from 1

    h takes every word to another one. Without it two words that change in their highest bit alone, as two numbers do
    that change their sign, would leave both sums as they are.
    """
    words, rest = divmod(len(block_B), 8)
    last_8 = block_B.new_zeros(8)
    last_8[:rest] = block_B[8 * words :]
    plain, weighted = _sums(last_8.view(torch.int64), words + 1)
    words_N = block_B[: 8 * words].view(torch.int64)
    for start in range(0, words, _PIECE):
        more = _sums(words_N[start : start + _PIECE], start + 1)
        plain += more[0]
        weighted += more[1]
    return int(plain), int(weighted)


def _sums(words_N: Tensor, first: int) -> tuple[Tensor, Tensor]:
    hashed_N = words_N ^ ((words_N >> 32) & _LOWER)
    place_N = torch.arange(first, first + len(words_N), device=words_N.device)
    return hashed_N.sum(), (hashed_N * place_N).sum()


def _stride(num_bytes: int) -> int:
    return (num_bytes + _ALIGNED - 1) // _ALIGNED * _ALIGNED
