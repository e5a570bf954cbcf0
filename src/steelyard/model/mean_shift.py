"""Mean-shift steering: the difference of two mean hidden states is added while the model runs.

    v_s = mean_i h_s(target_i) - mean_i h_s(source_i)        at each site s
    h_s <- h_s + strength v_s                                at every token, or at those after the prompt

Source: contrastive activation addition, Rimsky et al. 2023, arXiv:2312.06681.
Differs: the paper takes pairs of answers to one question and the state at the answer's letter. Here source and target
are two sets of texts that need not be paired, and a text's state is the mean over its tokens.
N source and M target texts, D hidden size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from steelyard.core import NonNegativeInt, checked, method
from steelyard.model.intervention import Pass


@method(
    "mean-shift",
    paper="arXiv:2312.06681",
    claim="a vector of activations, added while sampling, moves what a model writes without training it",
)
@checked()
@dataclass(frozen=True)
class MeanShift:
    """Where and how strongly hidden states are shifted."""

    layer: NonNegativeInt = 0
    """The residual stream after this layer is shifted; 0 is the first."""
    strength: float = 1.0
    """Multiplies the difference of the means; below 0 it steers away from the target."""
    where: Literal["all", "completion"] = "completion"
    """Shift all tokens, or only those after the prompt."""

    def sites(self, num_layers: int) -> Sequence[str]:
        """The site that is read and shifted."""
        return (f"layers.{self.layer}",)

    def fit(self, source: Mapping[str, Float[Tensor, "N D"]], target: Mapping[str, Float[Tensor, "M D"]]) -> "Shift":
        """The shift from source texts to target texts. Each has site -> mean hidden state of each text."""
        return Shift(self, {site: target[site].mean(0) - source[site].mean(0) for site in source})

    def restore(self, tensors: Mapping[str, Float[Tensor, "D"]]) -> "Shift":
        """The shift that had these `tensors`."""
        return Shift(self, dict(tensors))


@dataclass(frozen=True)
class Shift:
    """A fitted mean shift."""

    method: MeanShift
    """Its settings."""
    tensors: Mapping[str, Float[Tensor, "D"]]
    """Site -> v."""

    def sites(self, num_layers: int) -> Sequence[str]:
        """The sites that have a vector."""
        return tuple(self.tensors)

    def change(self, site: str, hidden_NTD: Float[Tensor, "N T D"], reads: Pass) -> Float[Tensor, "N T D"]:
        """The shifted hidden states."""
        shift_D = (self.method.strength * self.tensors[site]).to(hidden_NTD)
        if self.method.where == "all":
            return hidden_NTD + shift_D
        return hidden_NTD + shift_D * ~reads.prompt_NT[..., None]
