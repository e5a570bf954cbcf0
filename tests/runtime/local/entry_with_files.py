"""A child process of a run, as `steelyard.runtime.local.entry` begins it, with files in place of a device's memory.

Every file that a searcher opens is a line of `opened`. A searcher that is about to take its first copy dies, where
`dies` is a file, and takes that with it.
"""

import os
import sys
from pathlib import Path

import torch

from runtime.local.weight_processes import FileMemory
from steelyard.runtime.local import entry, worker

HERE = Path(os.environ["STEELYARD_TEST_SLOTS"])


class Memory(FileMemory):
    def __init__(self, device: torch.device) -> None:
        super().__init__(HERE / "slots")
        self._reads = False

    def open(self, name: bytes) -> torch.Tensor:
        with (HERE / "opened").open("a") as file:
            file.write(f"{os.getpid()} {Path(name.decode()).name}\n")
        self._reads = True
        return super().open(name)

    def copy(self, target: torch.Tensor, source: torch.Tensor) -> None:
        if self._reads and (HERE / "dies").exists():
            (HERE / "dies").unlink()
            os._exit(9)
        super().copy(target, source)
        self.taken.clear()


if __name__ == "__main__":
    worker.CudaMemory = Memory
    sys.exit(entry.main(*map(int, sys.argv[1:])))
