"""Interventions that each break one check."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from conformance.strangers import breaks, sound
from steelyard.core import method
from steelyard.model.intervention import Intervention, Pass


@dataclass(frozen=True)
class Push(Intervention):
    """Adds a vector everywhere."""

    method: object
    tensors: Mapping[str, Tensor]

    def sites(self, num_layers: int) -> Sequence[str]:
        return tuple(self.tensors)

    def change(self, site: str, hidden_NTD: Tensor, reads: Pass) -> Tensor:
        return hidden_NTD + self.tensors[site].to(hidden_NTD)


@sound
@method("test-pushed")
@dataclass(frozen=True)
class Pushed:
    """A stranger's intervention.

        h = h + v,  v = mean of target - mean of source

    Source: this file.
    """  # fmt: skip

    made = Push

    def sites(self, num_layers: int) -> Sequence[str]:
        return ("layers.0",)

    def fit(self, source, target) -> Push:
        return self.made(self, {site: target[site].mean(0) - source[site].mean(0) for site in source})

    def restore(self, tensors: Mapping[str, Tensor]) -> Push:
        return self.made(self, dict(tensors))


def pushes(check):
    """Settings whose intervention is the class below."""

    def register(made):
        cls = type(made.__name__, (Pushed,), {"made": made, "__doc__": Pushed.__doc__})
        breaks(check)(dataclass(frozen=True)(cls))
        return made

    return register


@pushes("intervention-sites")
class Elsewhere(Push):
    def sites(self, num_layers):
        return ("head",)


@pushes("intervention-states")
class Widens(Push):
    def change(self, site, hidden_NTD, reads):
        return hidden_NTD.float() + self.tensors[site]


@pushes("intervention-rows")
class LooksAtOthers(Push):
    def change(self, site, hidden_NTD, reads):
        return hidden_NTD + hidden_NTD.mean((0, 1))


@pushes("intervention-passes")
class CountsPlaces(Push):
    def change(self, site, hidden_NTD, reads):
        return hidden_NTD + torch.arange(hidden_NTD.shape[1])[:, None].to(hidden_NTD)


@pushes("intervention-repeatable")
class Dices(Push):
    def change(self, site, hidden_NTD, reads):
        return hidden_NTD + torch.randn(hidden_NTD.shape).to(hidden_NTD)


@pushes("intervention-rests")
class AlwaysMoves(Push):
    def change(self, site, hidden_NTD, reads):
        return hidden_NTD + 1


@breaks("intervention-file")
@dataclass(frozen=True)
class Unregistered(Pushed):
    """A file names a method, and this is none."""
