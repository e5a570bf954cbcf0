"""How the learner publishes: on the processor at once, from a GPU in the background while it goes on.

    GPU      parameters -> a copy of them on the GPU (the learner's next step comes after it)
    thread   the copy -> the store's memory, over a stream of its own; digest; announce to the driver; show

With `--local.weights device` the store also takes the copy on the GPU, for searchers that compute there.

Memory that the store always writes into is pinned where the system lets it be. A publication waits for the one before
it, no longer; the last one of a run, and those before a checkpoint, are waited for.
"""

import threading
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import UInt8

from steelyard.core import StallError, SteelyardError
from steelyard.policy import Policy, flat_parameters
from steelyard.runtime.roles.ports import Fill, WeightWriter

Announce = Callable[[int, str], None]
"""(version, digest): tell the driver, which must know weights before it gets data of theirs."""


class Publisher:
    """Publishes a policy's weights into a store.

    Args:
        store: the learner's end of the weights' way.
        policy: whose weights.
        announce: is told of them before they are shown.
        deadline: seconds that a publication may take.
    """

    def __init__(self, store: WeightWriter, policy: Policy, announce: Announce, deadline: float) -> None:
        self._store = store
        self._policy = policy
        self._announce = announce
        self._deadline = deadline
        self._parameters = [*policy.trainable().values()]
        self._thread: threading.Thread | None = None
        self._failure: Exception | None = None
        self._staged: torch.Tensor | None = None
        self._stream: torch.cuda.Stream | None = None
        self.pinned = False
        """The store's memory is pinned: a GPU writes into it without a copy in between."""
        if policy.device.type == "cuda":
            self._stream = torch.cuda.Stream(policy.device)
            self.pinned = store.memory is not None and pin(store.memory)

    def publish(self, version: int) -> None:
        """Publish the weights as they are now, under this version.

        Raises:
            StallError: the publication before it has not ended in time.
        """
        if self._stream is None:
            self._show(version, self._policy.weights)
            return
        self.wait()
        self._staged = flat_parameters.gather(self._parameters, self._staged)
        ready = torch.cuda.Event()
        ready.record()
        self._thread = threading.Thread(target=self._bring, args=(version, self._staged, ready, self._stream))
        self._thread.start()

    def wait(self) -> None:
        """Return once all that was published can be seen.

        Raises:
            StallError: that took too long.
        """
        if self._thread is not None:
            self._thread.join(self._deadline)
            if self._thread.is_alive():
                hint = "raise --local.deadline, or look at the GPU"
                what = f"nothing came of it for {self._deadline:g} s"
                raise StallError(what, where="learner waits for the weights' way to the searchers", hint=hint)
            self._thread = None
        if self._failure is not None:
            failure = self._failure
            self._failure = None
            raise failure

    def _bring(self, version: int, staged: torch.Tensor, ready: torch.cuda.Event, stream: torch.cuda.Stream) -> None:
        def fill(slot_B: UInt8[np.ndarray, "B"]) -> None:
            torch.from_numpy(slot_B).copy_(staged, non_blocking=True)
            stream.synchronize()

        try:
            with torch.cuda.stream(stream):
                stream.wait_event(ready)
                self._show(version, fill, staged)
        except (OSError, RuntimeError, SteelyardError) as error:  # raised again by the learner's own thread
            self._failure = error

    def _show(self, version: int, fill: Fill, staged: torch.Tensor | None = None) -> None:
        digest = self._store.write(version, fill, staged)
        self._announce(version, digest)
        self._store.show(version)


def pin(memory: UInt8[np.ndarray, "B"]) -> bool:
    """Let a GPU write straight into this memory, for as long as the process lives; False where it cannot."""
    runtime = torch.cuda.cudart()
    return runtime is not None and int(runtime.cudaHostRegister(memory.ctypes.data, memory.nbytes, 0)) == 0
