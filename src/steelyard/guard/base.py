"""What guards and the routers between them are. N texts, D numbers of a guard's hidden state."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True)
class Ruling:
    """What a guard says of N texts."""

    harm_N: Float[Tensor, "N"]
    """The probability that a text is harmful."""
    state_ND: Float[Tensor, "N D"]
    """The hidden state behind it."""
    routed_N: Bool[Tensor, "N"] | None = None
    """True where a larger guard was asked, and its answer stands; None where there is no such choice."""


@runtime_checkable
class Guard(Protocol):
    """Rules on texts, each by itself."""

    def __call__(self, texts: Sequence[str]) -> Ruling:
        """One ruling for each text, in order."""
        ...


@runtime_checkable
class Gate(Protocol):
    """A fitted router: says for which texts the small guard does not do. A pure function of the states."""

    def score(self, state_ND: Float[Tensor, "N D"]) -> Float[Tensor, "N"]:
        """From 0, the small guard does, to 1, the large one is needed."""
        ...

    def routes(self, state_ND: Float[Tensor, "N D"]) -> Bool[Tensor, "N"]:
        """True where the large guard is to be asked."""
        ...


@runtime_checkable
class Router(Protocol):
    """Settings that learn a gate from examples on which both guards have been tried."""

    def fit(
        self,
        state_ND: Float[Tensor, "N D"],
        small_right_N: Bool[Tensor, "N"],
        large_right_N: Bool[Tensor, "N"],
        *,
        seed: int,
    ) -> Gate:
        """A gate; the same for the same examples and seed."""
        ...


@dataclass(frozen=True)
class Cascade:
    """A guard made of two: the small one rules on every text, the large one where the gate sends it."""

    small: Guard
    large: Guard
    gate: Gate

    def __call__(self, texts: Sequence[str]) -> Ruling:
        """The rulings, with `routed_N`; the states are the small guard's."""
        ruling = self.small(texts)
        routed_N = self.gate.routes(ruling.state_ND)
        harm_N = ruling.harm_N.clone()
        asked = [text for text, routed in zip(texts, routed_N.tolist(), strict=True) if routed]
        if asked:
            harm_N[routed_N] = self.large(asked).harm_N.to(harm_N.dtype)
        return Ruling(harm_N, ruling.state_ND, routed_N)


def needs_large(small_right_N: Bool[Tensor, "N"], large_right_N: Bool[Tensor, "N"]) -> Bool[Tensor, "N"]:
    """True where asking the large guard mends something: the small one is wrong and the large one right."""
    return torch.logical_and(~small_right_N, large_right_N)
