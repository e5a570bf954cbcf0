"""FedRand: clients fine-tune low-rank adapters together, and each shows the server one random factor of its own.

In round r the server holds (A_r, B_r). Of every client k, with W the frozen weights and c the scale of adapters:

    f ~ A with probability share_a, else B                 drawn anew by each client in each round
    client begins with f from the server, and with its own other factor, as it ended its last round
    it trains both on its n_k rows:     W + c B A
    it uploads the drawn factor alone
    A_{r+1} = sum_k n_k A_k / sum_k n_k over those who uploaded A, likewise B;   what nobody uploaded stays

The server can only rebuild a client from the uploaded factor and the other one that it held itself: a model that the
client never had. How well that model tells the client's rows from others is what `federation.Exposure` measures.
`share_a` 1 or 0 shares one factor always, and keeps the other private for good. FedAvg (McMahan et al. 2016,
arXiv:1602.05629) shares both.

Differs: every client takes part in every round; the paper's clients may be drawn. Unconfirmed: the probability (a half
here), whether the paper draws for each client, as its figure shows and as here, or for each layer; the weights of its
average, its numbers of clients and rounds, and its attack.
Shapes: A [rank, in], B [out, rank] of each adapted layer; all layers draw alike.
Source: Park et al. 2025, arXiv:2503.07216, figure 1 and abstract.
"""

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from steelyard.core import Share, checked, method, rng

Factor = Literal["A", "B"]
BOTH: tuple[Factor, ...] = ("A", "B")


@runtime_checkable
class Sharing(Protocol):
    """Which factors a client takes from the server and gives back."""

    def drawn(self, client: int, turn: int, seed: int) -> tuple[Factor, ...]:
        """The factors of a client in a round; the others are its own."""
        ...


@method(
    "fedrand",
    paper="arXiv:2503.07216",
    claim="Hiding a random factor of each client weakens membership inference at the accuracy of sharing all.",
)
@checked()
@dataclass(frozen=True)
class FedRand:
    """Share one random factor."""

    share_a: Share = 0.5
    """Chance that a client shares A in a round, and keeps B; else the other way round."""

    def drawn(self, client: int, turn: int, seed: int) -> tuple[Factor, ...]:
        """The one factor that a client shares in a round."""
        return ("A",) if rng(seed, "fedrand", client, turn).random() < self.share_a else ("B",)


@checked()
@dataclass(frozen=True)
class FedAvg:
    """Share both factors."""

    def drawn(self, client: int, turn: int, seed: int) -> tuple[Factor, ...]:
        """Both, always."""
        return BOTH
