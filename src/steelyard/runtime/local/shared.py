"""Weights in shared memory: a double buffer that one process writes and any number read, and nobody locks.

The memory is an unnamed file, passed to children as an open descriptor: when the last process closes it, it is gone,
however that process ended. Layout: one header (the slot count, the newest version), then two slots, each a pair of
version stamps around its bytes. The writer fills the slot that is not the newest: it clears the back stamp, stamps the
front, and copies its parameters straight into the slot, where they are hashed; to show them it stamps the back, and
then names the new version in the header. A reader whose two stamps differ was overtaken and reads again.

Where both have memory of one device, each slot has another beside it there (`device_slots.py`), under the same stamps.
The header has the device memory's name, and for each slot the digest and the sums of what it should hold.

    header   newest version, size | digest and two sums of slot 0 | the same of slot 1 | the name's length | the name
"""

import mmap
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from steelyard.core import FaultError, StallError, Weights, digest_of
from steelyard.runtime.local.device_slots import DeviceMemory, DeviceSlots, sums_of
from steelyard.runtime.roles.ports import Fill

_HEADER = 4096
_NAME = 128
"""Where the name of the device's memory begins."""
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
        words = self._bytes[:_HEADER].view(np.int64)
        self._newest = words[:1]
        # Slots are padded to 8 bytes; the exact size of the weights is in the header.
        self._size = int(words[1])
        self._notes = words[2:8].reshape(2, 3)
        self._name_size = words[8:9]
        self._name = self._bytes[_NAME:_HEADER]
        self._device: DeviceSlots | None = None
        slot = _slot_size(self._size)
        self._slots = [self._bytes[_HEADER + i * slot : _HEADER + (i + 1) * slot] for i in range(2)]

    @classmethod
    def create(cls, descriptor: int, first: Weights, memory: DeviceMemory | None = None) -> "SharedWeights":
        """Size the file for `first` and publish it; with a device's memory, also there."""
        os.ftruncate(descriptor, _HEADER + 2 * _slot_size(len(first.data)))
        with mmap.mmap(descriptor, _HEADER) as header:
            header[:16] = np.array([_EMPTY, len(first.data)], np.int64).tobytes()
        store = cls(descriptor)
        if memory is not None:
            store._device, name = DeviceSlots.make(memory, store._size)
            assert len(name) <= len(store._name)
            store._name_size[0] = len(name)
            store._name[: len(name)] = np.frombuffer(name, np.uint8)
        store.publish(first)
        return store

    @property
    def memory(self) -> UInt8[np.ndarray, "B"]:
        """All of it, as it is mapped here."""
        return self._bytes

    @classmethod
    def attach(cls, descriptor: int, memory: DeviceMemory | None = None) -> "SharedWeights":
        """Open a store that `create` has filled; with a device's memory, what is read is taken from there."""
        store = cls(descriptor)
        if memory is not None:
            name = store._name[: int(store._name_size[0])].tobytes()
            store._device = DeviceSlots.open(memory, name, store._size)
        return store

    def publish(self, weights: Weights) -> None:
        """Copy the weights into the slot that is not the newest, and name it the newest."""
        data = self._fill(weights.version, lambda slot_B: np.copyto(slot_B, weights.on_host))
        self._put(torch.from_numpy(data), weights.digest)
        self.show(weights.version)

    def write(self, version: int, fill: Fill, block: UInt8[Tensor, "B"] | None = None) -> str:
        """Fill the slot that is not the newest; nobody sees it before `show`.

        Args:
            version: of the weights that `fill` puts there.
            fill: overwrites all B bytes that it is given, and keeps no hold of them.
            block: the same bytes on a device, for its slot.

        Returns:
            The digest of the bytes in the slot.
        """
        data = self._fill(version, fill)
        digest = digest_of(data)
        self._put(torch.from_numpy(data) if block is None else block, digest)
        return digest

    def show(self, version: int) -> None:
        """Name the slot that was filled last, with weights of this version, the newest."""
        self._slots[self._spare()][-8:].view(np.int64)[0] = version
        self._newest[0] = version

    def _fill(self, version: int, fill: Fill) -> UInt8[np.ndarray, "B"]:
        slot = self._slots[self._spare()]
        slot[-8:].view(np.int64)[0] = _EMPTY
        slot[:8].view(np.int64)[0] = version
        data = slot[8 : 8 + self._size]
        fill(data)
        return data

    def _put(self, block: UInt8[Tensor, "B"], digest: str) -> None:
        """Fill the device's slot beside the one that `_fill` has filled."""
        if self._device is not None:
            number = self._spare()
            name = int.from_bytes(bytes.fromhex(digest), signed=True)
            self._notes[number] = (name, *self._device.put(number, block))

    def _spare(self) -> int:
        """The slot that is not the newest; the first while there is none, though its own stamp then says so too."""
        newest = self.newest()
        return 1 if newest != _EMPTY and self._holds(0, newest) else 0

    def newest(self) -> int:
        """The newest published version."""
        return int(self._newest[0])

    def read(self, deadline: float = 60.0) -> Weights:
        """A whole copy of the newest weights, with the digest of the bytes that were read.

        From a device the bytes are a tensor there, and the digest is the learner's: the sums are compared.

        Raises:
            StallError: no whole copy could be had within `deadline` seconds.
            FaultError: the device gave other bytes than the learner had.
        """
        until = time.monotonic() + deadline
        while time.monotonic() < until:
            version = self.newest()
            for number, slot in enumerate(self._slots):
                if not self._holds(number, version):
                    continue
                note = self._notes[number].copy()
                data = slot[8 : 8 + self._size].copy() if self._device is None else self._device.take(number)
                if slot[:8].view(np.int64)[0] == version and self._holds(number, version):
                    whole = isinstance(data, np.ndarray)
                    return Weights.of(data, version) if whole else self._compared(data, version, number, note)
        raise StallError(
            f"no whole copy within {deadline:.0f} s",
            where="reader waits for published weights",
            hint="publish less often",
        )

    def close(self) -> None:
        """Unmap the memory; the descriptor stays its owner's."""
        del self._newest, self._notes, self._name_size, self._name, self._slots, self._bytes
        self._map.close()

    def _compared(self, block: UInt8[Tensor, "B"], version: int, number: int, note: Int64[np.ndarray, "3"]) -> Weights:
        """What was taken from the device's slot of this number, if its sums are those that the learner noted."""
        digest, *expected = note.tolist()
        found = [*sums_of(block)]
        if found != expected:
            beside = int(self._slots[1 - number][:8].view(np.int64)[0])
            whose = "those" if found == self._notes[1 - number, 1:].tolist() else "neither its own nor those"
            raise FaultError(
                f"version {version} came from the device with bytes that are {whose} of version {beside}",
                where="published weights",
                hint="go on with steelyard train --resume; if it comes again, begin with --local.weights host",
            )
        return Weights.compared(block, version, digest.to_bytes(8, signed=True).hex())

    def _holds(self, slot: int, version: int) -> bool:
        return int(self._slots[slot][-8:].view(np.int64)[0]) == version


def _slot_size(num_bytes: int) -> int:
    return 16 + (num_bytes + 7) // 8 * 8
