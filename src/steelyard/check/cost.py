"""The cost of attention in operations, counted as it runs, and compared with full attention's.

    operations = 2 (multiplications and additions) of every matrix product;   growth = log2(at L tokens / at L/2 tokens)

A growth of 2 is quadratic in the length, 1 is linear. Sums, exponentials and masks are not counted.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from steelyard.check.verdict import demand

MOST_TIMES_FULL = 2.0
"""How many times full attention's operations a variant may take."""


@dataclass(frozen=True)
class Cost:
    """Operations of one pass over a text, at a length and at half of it."""

    tokens: int
    half: int
    """Operations at half of `tokens`."""
    whole: int
    """Operations at `tokens`."""
    full: int
    """Full attention's operations at `tokens`."""

    @property
    def growth(self) -> float:
        """The power of the length with which the operations grow."""
        return math.log2(self.whole / self.half)

    @property
    def times_full(self) -> float:
        """The operations, in full attention's."""
        return self.whole / self.full

    def line(self) -> str:
        """The cost in words."""
        at = f"{self.half:,} at {self.tokens // 2} tokens, {self.whole:,} at {self.tokens}"
        return f"operations: {at}; growth {self.growth:.2f}; {self.times_full:.2f} of full attention's"


@torch.no_grad()
def operations(act: Callable[[], object]) -> int:
    """The operations of a call.

    A fused kernel would count as none, so attention is taken apart into its two products.
    """
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        act()
    return counter.get_total_flops()


def demand_affordable(cost: Cost) -> None:
    """Raise `UnmetError` if a variant takes more than `MOST_TIMES_FULL` times full attention's operations."""
    demand(cost.half > 0, "it multiplies no matrices, so its operations cannot be counted")
    what = f"it takes {cost.times_full:.1f} times the operations of full attention, more than {MOST_TIMES_FULL:g}"
    demand(cost.times_full <= MOST_TIMES_FULL, what)
