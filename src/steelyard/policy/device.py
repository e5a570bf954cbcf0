"""Where a model computes: the processor or a GPU, by name.

    auto      the first GPU, where there is one and the model has `SMALL` parameters or more; else the processor
    cpu       the processor
    cuda:N    GPU number N; cuda is cuda:0

A small model is faster on the processor: on a GPU every operation costs its launch, however few numbers it has
(docs/performance.md has the figures).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, TypeVar

import torch
from msgspec import Meta
from torch import nn

from steelyard.core import require

AUTO = "auto"
Device = Annotated[str, Meta(pattern=r"^(auto|cpu|cuda(:[0-9]+)?)$", description="auto, cpu, cuda or cuda:NUMBER")]
SMALL = 20_000_000
"""Parameters from which `auto` takes a GPU."""
CPU = torch.device("cpu")
Network = TypeVar("Network", bound=nn.Module)
_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"


def num_gpus() -> int:
    """GPUs that torch can use here."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def check_device(name: str, where: str = "--device") -> None:
    """Refuse a GPU that is not here.

    Args:
        name: auto, cpu, cuda or cuda:NUMBER.
        where: the setting, for the error.

    Raises:
        SteelyardError: torch sees no such GPU.
    """
    if not name.startswith("cuda"):
        return
    present = num_gpus()
    number = torch.device(name).index or 0
    some = f"there are {present}" if present else "torch sees none on this machine"
    hint = f"use cuda:0 to cuda:{present - 1}, or cpu" if present > 1 else "use auto or cpu"
    require(number < present, f"is {name}, but {some}", where=where, hint=hint)


def device_of(name: str, parameters: int, where: str = "--device") -> torch.device:
    """The device that a name means for a model of so many parameters.

    Raises:
        SteelyardError: torch sees no such GPU.
    """
    check_device(name, where)
    if name == AUTO:
        return torch.device("cuda", 0) if parameters >= SMALL and num_gpus() else CPU
    device = torch.device(name)
    return torch.device("cuda", device.index or 0) if device.type == "cuda" else device


def moved(net: Network, name: str, where: str = "--device") -> Network:
    """A network on the device that a name means for it: in place, and returned.

    Raises:
        SteelyardError: torch sees no such GPU.
    """
    device = device_of(name, sum(p.numel() for p in net.parameters()), where)
    return net if device == CPU else net.to(device)


def free_bytes(device: torch.device) -> int | None:
    """Memory of a GPU that nobody uses now; None for the processor."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None


def repeat_exactly() -> None:
    """Have this process's GPU give the same bits for the same work, which costs some speed; before its first product.

    Sums whose order would vary are made in one order. torch refuses operations that it cannot make so.
    """
    os.environ.setdefault(_WORKSPACE, ":4096:8")
    torch.use_deterministic_algorithms(True)
    # Nothing here reads what was not written, so torch need not fill it.
    torch.utils.deterministic.fill_uninitialized_memory = False  # pyright: ignore[reportAttributeAccessIssue]


@contextmanager
def in_any_order() -> Iterator[None]:
    """Inside the `with`, torch's choice of operations is free: for work that adds nothing up in a varying order."""
    strict = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(False)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(strict)
