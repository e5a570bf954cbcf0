"""Work on a GPU that is launched again as one graph: a decode step has hundreds of small operations.

What is captured is a function that reads and writes tensors which stay where they are. Its first call runs as it is and
is captured afterwards; later calls replay the capture. On other devices every call runs as it is.
"""

from collections.abc import Callable, Hashable

import torch

from steelyard.policy.device import in_any_order


class Graphs:
    """Captured work by key. All of it shares one pool of memory, so two of them never run at the same time."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._captured: dict[Hashable, torch.cuda.CUDAGraph] = {}
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._pool = None

    def clear(self) -> None:
        """Forget what was captured: tensors that it knew have moved."""
        self._captured.clear()
        self._pool = None  # it is gone with the last graph that used it

    def run(self, key: Hashable, work: Callable[[], None]) -> None:
        """Do the work.

        Args:
            key: names the work: the same key is the same operations on the same tensors.
            work: adds nothing up in an order that varies, and waits for nothing.
        """
        known = self._captured.get(key)
        if known is not None:
            known.replay()
        elif self._stream is None:
            work()
        else:
            with in_any_order():
                self._captured[key] = self._first(self._stream, work)

    def _first(self, stream: torch.cuda.Stream, work: Callable[[], None]) -> torch.cuda.CUDAGraph:
        """Do the work once, and capture it: on a stream of its own, as torch asks for."""
        now = torch.cuda.current_stream(self._device)
        graph = torch.cuda.CUDAGraph()
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        stream.wait_stream(now)
        with torch.cuda.stream(stream):
            work()
            graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
            try:
                work()
            finally:
                graph.capture_end()
        now.wait_stream(stream)
        return graph
