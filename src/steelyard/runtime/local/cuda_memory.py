"""Memory of one GPU that several processes open: all that is asked of CUDA for `device_slots.py`.

torch counts who opened its memory, and lets others wait for an event that it records when the memory is named. Nothing
here depends on either: the memory lives as long as the process that made it, and nothing is in it when it is named.
"""

import msgspec
import torch
from jaxtyping import UInt8
from torch import Tensor

from steelyard.core import FaultError, SteelyardError, require

WHERE = "--local.weights"
HINT = "use host"
_Name = tuple[int, bytes, int, int, bytes, int, bytes, bool]
"""What `torch.UntypedStorage._new_shared_cuda` asks for: device, handle, bytes, offset; count; event."""


class CudaMemory:
    """One GPU's memory.

    Raises:
        SteelyardError: the device is no GPU.
    """

    def __init__(self, device: torch.device) -> None:
        require(device.type == "cuda", f"is device, but this is the {device.type}", where=WHERE, hint=HINT)
        self._device = device

    def make(self, num_bytes: int) -> tuple[UInt8[Tensor, "M"], bytes]:
        """Memory, and the name by which other processes open it.

        Raises:
            SteelyardError: this system does not share such memory.
        """
        block_M = torch.zeros(num_bytes, dtype=torch.uint8, device=self._device)
        try:
            name = block_M.untyped_storage()._share_cuda_()
        except RuntimeError as error:
            raise _refused("named", error) from error
        return block_M, msgspec.msgpack.encode(name)

    def open(self, name: bytes) -> UInt8[Tensor, "M"]:
        """Memory that another process has made, which is still there.

        Raises:
            SteelyardError: it is another GPU's, or this system does not share such memory.
        """
        parts = msgspec.msgpack.decode(name, type=_Name)
        same = parts[0] == self._device.index
        what = f"is device, but the learner computes on cuda:{parts[0]} and this searcher on {self._device}"
        require(same, what, where=WHERE, hint="use host, or one GPU for both")
        block_M = torch.empty(0, dtype=torch.uint8, device=self._device)  # before all else, it wakes CUDA up
        try:
            return block_M.set_(torch.UntypedStorage._new_shared_cuda(*parts))
        except RuntimeError as error:
            raise _refused("opened", error) from error

    def copy(self, target: UInt8[Tensor, "B"], source: UInt8[Tensor, "B"]) -> None:
        """Copy the bytes, and return when they have arrived.

        Raises:
            FaultError: they have not.
        """
        try:
            target.copy_(source)
            torch.cuda.current_stream(self._device).synchronize()
        except RuntimeError as error:
            hint = "see whether the learner died; if not, begin with --local.weights host"
            raise FaultError(f"the GPU did not copy them: {_reason(error)}", where="weights", hint=hint) from error


def _refused(what: str, error: RuntimeError) -> SteelyardError:
    said = f"is device, but the GPU's memory cannot be {what}: {_reason(error)}"
    return SteelyardError(said, where=WHERE, hint=HINT)


def _reason(error: RuntimeError) -> str:
    return str(error).strip().partition("\n")[0]
