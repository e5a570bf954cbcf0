"""Master weights: float32 copies of low-precision parameters, which an optimiser updates in their place.

    m = p at the start;    g_m = sum of g_p over backward passes;    an update of m by g_m;    p = round(m)

A bfloat16 number has 8 significant bits, so an update below 1/512 of a weight rounds to nothing, and at the learning
rates of post-training almost all do. In m they add up until p moves. Parameters of 32 bits or more are their own
masters, and nothing is copied. Memory: 4 bytes a copied parameter for m and 4 for its gradient.
Source: Micikevicius et al. 2018, arXiv:1710.03740.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import nn


def has_master(parameter: torch.Tensor) -> bool:
    """True where the number format is too coarse to be updated itself."""
    return parameter.element_size() < torch.float32.itemsize


def num_copied(parameters: Iterable[torch.Tensor]) -> int:
    """How many numbers are copied to float32."""
    return sum(p.numel() for p in parameters if has_master(p))


class MasterWeights:
    """What an optimiser trains in place of some parameters.

    Each backward pass is followed by `gather`, and each update by `write_back`.

    Args:
        parameters: name -> parameter.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter]) -> None:
        self.named = {name: nn.Parameter(p.detach().float()) if has_master(p) else p for name, p in parameters.items()}
        """Name -> what is updated."""
        self.copies = {name: self.named[name] for name, p in parameters.items() if has_master(p)}
        """Those that are copies."""
        self._pairs = [(parameters[name], master) for name, master in self.copies.items()]

    def clear(self) -> None:
        """Forget all gradients."""
        for p in (*(p for p, _ in self._pairs), *self.named.values()):
            p.grad = None

    @torch.no_grad()
    def gather(self) -> None:
        """Add the parameters' gradients to their masters', and forget them: sums are float32."""
        for p, master in self._pairs:
            if p.grad is not None:
                master.grad = p.grad.float() if master.grad is None else master.grad.add_(p.grad)
                p.grad = None

    @torch.no_grad()
    def write_back(self) -> None:
        """Round the masters into the parameters."""
        for p, master in self._pairs:
            p.copy_(master)

    @torch.no_grad()
    def begin_again(self) -> None:
        """Take the parameters as they are for the masters' values."""
        for p, master in self._pairs:
            master.copy_(p)
