"""Affine maps of hidden states, neuron by neuron: what several ways of steering fit.

    h_s <- h_s + strength (T_s(h_s) - h_s),   T_s(h) = scale_s h + shift_s        at every token of each site s

A strength between 0 and 1 lies between the model as it is and what was fitted. D hidden size.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from steelyard.core import checked
from steelyard.model.intervention import Pass, States

TargetStates = Mapping[str, Float[Tensor, "M D"]]
"""As `States`, of another number of texts."""

SCALE, SHIFT = "scale/", "shift/"
"""Beginnings of the names of a fitted map's tensors; the site follows."""


@checked()
@dataclass(frozen=True)
class AffineSteering(ABC):
    """Where affine maps are put, and how far they go."""

    part: Literal["layer", "attention", "mlp"] = "layer"
    """What is changed in every layer: the residual stream after it, or what attention or feed-forward add to it."""
    strength: float = 1.0
    """0 leaves the model as it is, 1 applies the maps as they were fitted; others are between or beyond."""

    def sites(self, num_layers: int) -> Sequence[str]:
        """One in every layer."""
        inside = "" if self.part == "layer" else f".{self.part}"
        return tuple(f"layers.{i}{inside}" for i in range(num_layers))

    @abstractmethod
    def fit(self, source: States, target: TargetStates) -> "Affine":
        """The maps from source texts to target texts. Each has site -> mean hidden state of each text."""

    def restore(self, tensors: Mapping[str, Tensor]) -> "Affine":
        """The maps that had these `tensors`."""
        return Affine(self, dict(tensors))


@dataclass(frozen=True)
class Affine:
    """Fitted affine maps."""

    method: AffineSteering
    """The settings."""
    tensors: Mapping[str, Float[Tensor, "D"]]
    """scale/SITE and shift/SITE of each site."""

    def sites(self, num_layers: int) -> Sequence[str]:
        """The sites that have a map."""
        return tuple(name.removeprefix(SCALE) for name in self.tensors if name.startswith(SCALE))

    def change(self, site: str, hidden_NTD: Float[Tensor, "N T D"], reads: Pass) -> Float[Tensor, "N T D"]:
        """The mapped hidden states."""
        scale_D, shift_D = (self.tensors[f"{kind}{site}"].to(hidden_NTD) for kind in (SCALE, SHIFT))
        return hidden_NTD + self.method.strength * ((scale_D - 1) * hidden_NTD + shift_D)
