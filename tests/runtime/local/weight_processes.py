"""A writer or a reader of weights in a process of its own: `weight_processes.py ROLE DESCRIPTOR MEMORY SIZE LAST`.

MEMORY is cuda, or a directory: files there stand in for a device's memory, and a copy may be held up in the middle.
"""

import itertools
import json
import sys
from pathlib import Path

import numpy as np
import torch

from steelyard.core import Weights, digest_of
from steelyard.runtime.local.cuda_memory import CudaMemory
from steelyard.runtime.local.shared import SharedWeights


def bytes_of(version: int, size: int) -> np.ndarray:
    """What weights of this version are."""
    return np.random.default_rng(version).integers(0, 256, size, dtype=np.uint8)


def mapped(path: Path) -> torch.Tensor:
    return torch.from_file(str(path), shared=True, size=path.stat().st_size, dtype=torch.uint8)


class FileMemory:
    """Files in place of a device's memory. Copy number `held_up` stops half way, until a line comes."""

    def __init__(self, directory: Path, held_up: int | None = None) -> None:
        self._directory = directory
        self._held_up = held_up
        self._numbers = itertools.count()
        self.taken: list[torch.Tensor] = []

    def make(self, num_bytes: int) -> tuple[torch.Tensor, bytes]:
        path = self._directory / f"slots-{len([*self._directory.iterdir()])}"
        path.write_bytes(bytes(num_bytes))
        return mapped(path), str(path).encode()

    def open(self, name: bytes) -> torch.Tensor:
        return mapped(Path(name.decode()))

    def copy(self, target: torch.Tensor, source: torch.Tensor) -> None:
        half = len(source) // 2
        target[:half] = source[:half]
        if next(self._numbers) == self._held_up:
            say("half way")
            heard()
        target[half:] = source[half:]
        self.taken.append(target)


def say(*words: object) -> None:
    print(json.dumps(words), flush=True)


def heard() -> None:
    assert sys.stdin.readline() == "go on\n"


def write(store: SharedWeights, version: int, size: int, device: str) -> str:
    """Publish as the learner does: to memory, and from a block on the device to its slot."""
    data = bytes_of(version, size)
    block = torch.from_numpy(data).to(device)
    digest = store.write(version, lambda slot_B: np.copyto(slot_B, data), block)
    store.show(version)
    return digest


def main(role: str, descriptor: int, where: str, size: int, last: int, held_up: int | None = None) -> None:
    device = "cuda:0" if where == "cuda" else "cpu"
    memory = CudaMemory(torch.device(device)) if where == "cuda" else FileMemory(Path(where), held_up)
    if role == "write":
        store = SharedWeights.create(descriptor, Weights.of(bytes_of(0, size), 0), memory)
        say("created")
        heard()
        for version in range(1, last + 1):
            write(store, version, size, device)
        say("written")
        heard()  # the memory is this process's
        return
    reader = SharedWeights.attach(descriptor, memory)
    say("attached")
    versions: list[int] = []
    while not versions or versions[-1] < last:
        got = reader.read()
        assert isinstance(got.data, torch.Tensor)
        assert got.data.device == torch.device(device)
        expected = bytes_of(got.version, size)
        assert np.array_equal(got.on_host, expected), f"read {len(versions)}, of version {got.version}, is mixed"
        assert got.digest == digest_of(expected)
        assert got.intact
        versions.append(got.version)
    torn = [not any(np.array_equal(own.numpy(), bytes_of(v, size)) for v in range(last + 1)) for own in memory.taken[:2]
            ] if isinstance(memory, FileMemory) else []  # fmt: skip
    say("read", versions, torn)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], *map(int, sys.argv[4:]))
