"""Parameters as one block of bytes, bit for bit and whatever their types: how weights travel and are named."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from steelyard.core import Block, require


def size_of(parameters: Iterable[Tensor]) -> int:
    """How many bytes the parameters take."""
    return sum(p.numel() * p.element_size() for p in parameters)


def _pairs(parameters: Iterable[Tensor], block: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Each parameter's bytes with its stretch of the block, both as views."""
    start = 0
    for p in parameters:
        own = p.detach().view(-1).view(torch.uint8)
        yield own, block[start : start + own.numel()]
        start += own.numel()


def read(parameters: list[Tensor], into: UInt8[np.ndarray, "B"] | None = None) -> UInt8[np.ndarray, "B"]:
    """A copy of the parameters as B bytes, one after another; in place of what `into` holds, where it is given."""
    data = np.empty(size_of(parameters), np.uint8) if into is None else into
    block = torch.from_numpy(data)
    if parameters and parameters[0].is_cuda:
        block.copy_(gather(parameters))
    else:
        for own, stretch in _pairs(parameters, block):
            stretch.copy_(own)
    return data


@torch.no_grad()
def gather(parameters: Sequence[Tensor], into: UInt8[Tensor, "B"] | None = None) -> UInt8[Tensor, "B"]:
    """The same bytes on the parameters' own device; in place of what `into` holds, where it is given."""
    block = torch.empty(size_of(parameters), dtype=torch.uint8, device=parameters[0].device) if into is None else into
    for own, stretch in _pairs(parameters, block):
        stretch.copy_(own)
    return block


def write(parameters: list[Tensor], data: Block) -> None:
    """Copy what `read` or `gather` returned back into the parameters, in place.

    Raises:
        SteelyardError: the block has another size.
    """
    size = size_of(parameters)
    require(
        data.nbytes == size,
        f"{data.nbytes} bytes of weights for a policy that has {size}",
        where="weights",
        hint="load weights of the same model, LoRA settings and dtype",
    )
    if isinstance(data, np.ndarray):  # torch warns about memory that it may not write to, as received messages are
        data = torch.from_numpy(data if data.flags.writeable else data.copy())
    block = data.to(parameters[0].device) if parameters and parameters[0].is_cuda else data  # in one transfer
    with torch.no_grad():
        for own, stretch in _pairs(parameters, block):
            own.copy_(stretch)
