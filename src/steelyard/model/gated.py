"""Gate, then action: what a gate says of a row's prompt decides whether an intervention changes that row.

    h <- h + g(x) (action(h) - h),   g(x) in {0, 1}

The gate reads the prompt where it is read; a pass without any of it finds the gate closed. So the action should be one
on prompts, whose traces the tokens of the completion find in what they attend to. N rows, T tokens, D hidden size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Bool, Float
from torch import Tensor

from steelyard.model.intervention import Intervention, Pass


@runtime_checkable
class PromptGate(Protocol):
    """Says of prompts whether something is to be done. It draws nothing and remembers nothing."""

    def opens(self, reads: Pass) -> Bool[Tensor, "N"]:
        """True for the rows whose prompt is one of those; false where the pass has no token of the prompt."""
        ...


@dataclass(frozen=True)
class Gated:
    """An intervention on the rows that a gate lets through."""

    gate: PromptGate
    action: Intervention

    def sites(self, num_layers: int) -> Sequence[str]:
        """Those of the action."""
        return self.action.sites(num_layers)

    def change(self, site: str, hidden_NTD: Float[Tensor, "N T D"], reads: Pass) -> Float[Tensor, "N T D"]:
        """What the action makes of the rows where the gate is open; the others stay as they are."""
        open_N11 = self.gate.opens(reads)[:, None, None]
        if not bool(open_N11.any()):
            return hidden_NTD
        return self.action.change(site, hidden_NTD, reads).where(open_N11, hidden_NTD)
