"""Low-rank changes of the residual stream: adapters that stand behind layers, in front of all that read them.

    h_t <- h_t + g(x) (alpha / r) B A h_t        at every token t of the prompt;  A [r, D], B [D, r]

Every matrix W that reads the stream there acts as W (I + g (alpha / r) B A): a low-rank update of each, with one A for
all. g(x) is a gate's weight of the row's prompt, or 1. The tokens of a completion are not changed: they find the change
in what they attend to. N rows, T tokens, D hidden size, r rank.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from steelyard.model.intervention import Pass

Pair = tuple[Float[Tensor, "r D"], Float[Tensor, "D r"]]


@runtime_checkable
class SoftGate(Protocol):
    """Says of prompts how much is to be done. It draws nothing and remembers nothing."""

    def weight(self, reads: Pass) -> Float[Tensor, "N"]:
        """From 0 to 1 for each row; 0 where the pass has no token of the prompt."""
        ...


@dataclass
class LowRank:
    """Adapters, with or without gates."""

    pairs: Mapping[str, Pair]
    """Site -> A and B."""
    scale: float
    """alpha / r."""
    gates: Sequence[SoftGate] | None = None
    """The largest of their weights counts; None opens to all."""
    _last: tuple[Pass, Tensor] | None = field(default=None, repr=False)
    """The weights of the pass that is being read: its sites ask one after the other."""

    def sites(self, num_layers: int) -> Sequence[str]:
        """Where the adapters stand."""
        return tuple(self.pairs)

    def change(self, site: str, hidden_NTD: Float[Tensor, "N T D"], reads: Pass) -> Float[Tensor, "N T D"]:
        """The changed hidden states of prompts."""
        a_rD, b_Dr = (x.to(hidden_NTD.device) for x in self.pairs[site])
        weight_NT1 = (self.weight(reads)[:, None] * reads.prompt_NT)[..., None]
        if not bool(weight_NT1.any()):
            return hidden_NTD
        added_NTD = self.scale * (hidden_NTD.to(a_rD) @ a_rD.T) @ b_Dr.T
        return hidden_NTD + (added_NTD * weight_NT1.to(added_NTD)).to(hidden_NTD)

    def weight(self, reads: Pass) -> Float[Tensor, "N"]:
        """g of each row."""
        if self.gates is None:
            return torch.ones(len(reads.tokens_NT), device=reads.tokens_NT.device)
        if self._last is None or self._last[0] is not reads:
            each = [gate.weight(reads) for gate in self.gates]
            self._last = reads, torch.stack(each).amax(0).float()
        return self._last[1]
