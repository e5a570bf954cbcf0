"""Weights in shared memory: a double buffer that one process writes and any number read, and nobody locks.

The memory is an unnamed file, passed to children as an open descriptor: when the last process closes it, it is gone,
however that process ended. Layout: one header (the slot count, the newest version), then two slots, each a pair of
version stamps around its bytes. The writer fills the slot that is not the newest: it clears the back stamp, stamps the
front, and copies its parameters straight into the slot, where they are hashed; to show them it stamps the back, and
then names the new version in the header. A reader whose two stamps differ was overtaken and reads again.
"""

import mmap
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from steelyard.core import StallError, Weights, digest_of
from steelyard.runtime.roles.ports import Fill

_HEADER = 64
_EMPTY = -1


def unnamed_file() -> int:
    """A descriptor of an empty file that has no name, in memory where the system offers that."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("steelyard-weights", os.MFD_CLOEXEC)
    memory = Path("/dev/shm")
    handle, name = tempfile.mkstemp(dir=memory if memory.is_dir() else None)
    Path(name).unlink()
    return handle


class SharedWeights:
    """A `WeightStore` over an open file descriptor.

    `create` sizes the file and publishes the first weights; `attach` opens what another process has created.
    """

    def __init__(self, descriptor: int) -> None:
        size = os.fstat(descriptor).st_size
        self._map = mmap.mmap(descriptor, size)
        self._bytes = np.frombuffer(self._map, np.uint8)
        self._newest = self._bytes[:8].view(np.int64)
        # Slots are padded to 8 bytes; the exact size of the weights is in the header.
        self._size = int(self._bytes[8:16].view(np.int64)[0])
        slot = _slot_size(self._size)
        self._slots = [self._bytes[_HEADER + i * slot : _HEADER + (i + 1) * slot] for i in range(2)]

    @classmethod
    def create(cls, descriptor: int, first: Weights) -> "SharedWeights":
        """Size the file for `first` and publish it."""
        os.ftruncate(descriptor, _HEADER + 2 * _slot_size(len(first.data)))
        with mmap.mmap(descriptor, _HEADER) as header:
            header[:16] = np.array([_EMPTY, len(first.data)], np.int64).tobytes()
        store = cls(descriptor)
        store.publish(first)
        return store

    @property
    def memory(self) -> UInt8[np.ndarray, "B"]:
        """All of it, as it is mapped here."""
        return self._bytes

    @classmethod
    def attach(cls, descriptor: int) -> "SharedWeights":
        """Open a store that `create` has filled."""
        return cls(descriptor)

    def publish(self, weights: Weights) -> None:
        """Copy the weights into the slot that is not the newest, and name it the newest."""
        self._fill(weights.version, lambda slot_B: np.copyto(slot_B, weights.data))
        self.show(weights.version)

    def write(self, version: int, fill: Fill) -> str:
        """Fill the slot that is not the newest; nobody sees it before `show`.

        Args:
            version: of the weights that `fill` puts there.
            fill: overwrites all B bytes that it is given, and keeps no hold of them.

        Returns:
            The digest of the bytes in the slot.
        """
        return digest_of(self._fill(version, fill))

    def show(self, version: int) -> None:
        """Name the slot that was filled last, with weights of this version, the newest."""
        self._spare()[-8:].view(np.int64)[0] = version
        self._newest[0] = version

    def _fill(self, version: int, fill: Fill) -> UInt8[np.ndarray, "B"]:
        slot = self._spare()
        slot[-8:].view(np.int64)[0] = _EMPTY
        slot[:8].view(np.int64)[0] = version
        data = slot[8 : 8 + self._size]
        fill(data)
        return data

    def _spare(self) -> UInt8[np.ndarray, "S"]:
        """The slot that is not the newest; the first while there is none, though its own stamp then says so too."""
        newest = self.newest()
        return self._slots[1 if newest != _EMPTY and self._holds(0, newest) else 0]

    def newest(self) -> int:
        """The newest published version."""
        return int(self._newest[0])

    def read(self, deadline: float = 60.0) -> Weights:
        """A whole copy of the newest weights, with the digest of the bytes that were read.

        Raises:
            StallError: no whole copy could be had within `deadline` seconds.
        """
        until = time.monotonic() + deadline
        while time.monotonic() < until:
            version = self.newest()
            for slot in self._slots:
                if slot[-8:].view(np.int64)[0] != version:
                    continue
                data = slot[8 : 8 + self._size].copy()
                if slot[:8].view(np.int64)[0] == version and slot[-8:].view(np.int64)[0] == version:
                    return Weights.of(data, version)
        raise StallError(
            f"no whole copy within {deadline:.0f} s",
            where="reader waits for published weights",
            hint="publish less often",
        )

    def close(self) -> None:
        """Unmap the memory; the descriptor stays its owner's."""
        del self._newest, self._slots, self._bytes
        self._map.close()

    def _holds(self, slot: int, version: int) -> bool:
        return int(self._slots[slot][-8:].view(np.int64)[0]) == version


def _slot_size(num_bytes: int) -> int:
    return 16 + (num_bytes + 7) // 8 * 8
