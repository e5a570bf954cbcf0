"""A child process of a local run, from its pipe on; see `entry.py` for how it begins."""

import signal
from multiprocessing.connection import Connection

import torch

from steelyard.core import Weights
from steelyard.runtime.local.cuda_memory import CudaMemory
from steelyard.runtime.local.pipe import PipeChannel
from steelyard.runtime.local.shared import SharedWeights
from steelyard.runtime.roles.serve import serve


class SharedPorts:
    """Weights and references go through two files in memory, of which every child holds a descriptor."""

    def __init__(self, weights: int, references: int) -> None:
        self._weights = weights
        self._references = references

    def create(
        self, first: Weights, reference: Weights, device: torch.device | None = None
    ) -> tuple[SharedWeights, SharedWeights]:
        """The learner's ends, with the first weights and the reference published."""
        memory = None if device is None else CudaMemory(device)
        return SharedWeights.create(self._weights, first, memory), SharedWeights.create(self._references, reference)

    def attach(self, device: torch.device | None = None) -> tuple[SharedWeights, SharedWeights]:
        """Everybody else's ends."""
        memory = None if device is None else CudaMemory(device)
        return SharedWeights.attach(self._weights, memory), SharedWeights.attach(self._references)


def main(pipe: int, weights: int, references: int) -> int:
    """Serve one role over these descriptors; returns the exit code."""
    # Ctrl-C and a SIGTERM to the group reach everyone; the driver decides what they mean.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return serve(PipeChannel(Connection(pipe)), SharedPorts(weights, references))
