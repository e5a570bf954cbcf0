"""The interfaces of guards and of routers between them. N texts, D units of a guard's hidden state."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True)
class Ruling:
    """A guard's output for N texts."""

    harm_N: Float[Tensor, "N"]
    """The probability that a text is harmful."""
    state_ND: Float[Tensor, "N D"]
    """The guard's hidden state for each text."""
    routed_N: Bool[Tensor, "N"] | None = None
    """True for texts that a larger guard ruled on; None if there is no router."""


@runtime_checkable
class Guard(Protocol):
    """Rates texts one by one for harm."""

    def __call__(self, texts: Sequence[str]) -> Ruling:
        """The ruling on the texts, in order."""
        ...


@runtime_checkable
class Gate(Protocol):
    """A fitted router: decides which texts need the large guard. A pure function of the small guard's states."""

    def score(self, state_ND: Float[Tensor, "N D"]) -> Float[Tensor, "N"]:
        """From 0 (the small guard is enough) to 1 (the large guard is needed)."""
        ...

    def routes(self, state_ND: Float[Tensor, "N D"]) -> Bool[Tensor, "N"]:
        """True for texts that go to the large guard."""
        ...


@runtime_checkable
class TextGate(Protocol):
    """A fitted router that reads the texts themselves: for guards without hidden states, or ones that nobody may see.

    A pure function of each text.
    """

    def score_texts(self, texts: Sequence[str]) -> Float[Tensor, "N"]:
        """From 0 (the small guard is enough) to 1 (the large guard is needed)."""
        ...

    def routes_texts(self, texts: Sequence[str]) -> Bool[Tensor, "N"]:
        """True for texts that go to the large guard."""
        ...


@runtime_checkable
class TextRouter(Protocol):
    """Settings of a router by text; `fit_texts` learns a gate from texts that both guards have rated."""

    def fit_texts(
        self, texts: Sequence[str], small_right_N: Bool[Tensor, "N"], large_right_N: Bool[Tensor, "N"], *, seed: int
    ) -> TextGate:
        """Fit a gate. Equal examples and seeds give equal gates."""
        ...


@runtime_checkable
class Router(Protocol):
    """Settings of a router; `fit` learns a gate from texts that both guards have rated."""

    def fit(
        self,
        state_ND: Float[Tensor, "N D"],
        small_right_N: Bool[Tensor, "N"],
        large_right_N: Bool[Tensor, "N"],
        *,
        seed: int,
    ) -> Gate:
        """Fit a gate. Equal examples and seeds give equal gates."""
        ...


@dataclass(frozen=True)
class Cascade:
    """A two-stage guard: the small one rates every text, the large one those that the gate selects.

    The gate goes by the small guard's states, or by the texts.
    """

    small: Guard
    large: Guard
    gate: Gate | TextGate

    def __call__(self, texts: Sequence[str]) -> Ruling:
        """The ruling, with `routed_N` set; the states are the small guard's."""
        ruling = self.small(texts)
        routed_N = routed(self.gate, texts, ruling)
        harm_N = ruling.harm_N.clone()
        asked = [text for text, routed in zip(texts, routed_N.tolist(), strict=True) if routed]
        if asked:
            harm_N[routed_N] = self.large(asked).harm_N.to(harm_N.dtype)
        return Ruling(harm_N, ruling.state_ND, routed_N)


def routed(gate: Gate | TextGate, texts: Sequence[str], small: Ruling) -> Bool[Tensor, "N"]:
    """Which of the texts, on which the small guard has ruled, go to the large one."""
    return gate.routes_texts(texts) if isinstance(gate, TextGate) else gate.routes(small.state_ND)


def needs_large(small_right_N: Bool[Tensor, "N"], large_right_N: Bool[Tensor, "N"]) -> Bool[Tensor, "N"]:
    """True where the large guard helps: the small one is wrong and the large one right."""
    return torch.logical_and(~small_right_N, large_right_N)
