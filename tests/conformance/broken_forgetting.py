"""Ways to forget that each break one check."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from conformance.strangers import breaks, sound
from steelyard.core import method
from steelyard.learner.intervention_work import AtOnce
from steelyard.model.intervention import Pass
from steelyard.unlearn.forgetting import Forgetting


@dataclass(frozen=True)
class Dimming:
    """Makes the embeddings of prompts smaller."""

    method: Forgetting
    tensors: Mapping[str, Tensor]

    def sites(self, num_layers):
        return ("embeddings",)

    def change(self, site: str, hidden_NTD: Tensor, reads: Pass) -> Tensor:
        return hidden_NTD.where(~reads.prompt_NT[..., None], hidden_NTD * self.tensors["share"].to(hidden_NTD))


@sound
@method("test-dimmed")
@dataclass(frozen=True)
class Dimmed(Forgetting):
    """A stranger's way to forget.

        e = e / 2

    Source: this file.
    """  # fmt: skip

    made = Dimming

    num_steps = 1

    def begin(self, policy, forget, retain, *, seed):
        return AtOnce(policy, lambda: self.restore({"share": torch.tensor(self.share(policy))}))

    def share(self, policy):
        return 0.5

    def restore(self, tensors: Mapping[str, Tensor]):
        return self.made(self, dict(tensors))


@breaks("forgetting-keeps")
@dataclass(frozen=True)
class Trains(Dimmed):
    def share(self, policy):
        with torch.no_grad():
            next(policy.model.parameters()).add_(0.01)
        return 0.5


@breaks("forgetting-acts")
@dataclass(frozen=True)
class Idle(Dimmed):
    def share(self, policy):
        return 1.0


class Averaging(Dimming):
    def change(self, site: str, hidden_NTD: Tensor, reads: Pass) -> Tensor:
        return super().change(site, hidden_NTD, reads) - 0.1 * hidden_NTD.mean(0, keepdim=True)


@breaks("forgetting-rows")
@dataclass(frozen=True)
class Averages(Dimmed):
    made = Averaging


class Whole(Dimming):
    def change(self, site: str, hidden_NTD: Tensor, reads: Pass) -> Tensor:
        whole_N11 = (reads.prompt_NT.any(1) & (reads.real_NT & ~reads.prompt_NT).any(1))[:, None, None]
        return hidden_NTD * torch.where(whole_N11, 0.5, 1.0)


@breaks("forgetting-passes")
@dataclass(frozen=True)
class OnlyWhole(Dimmed):
    made = Whole


TIMES: list[int] = []


@breaks("forgetting-repeatable")
@dataclass(frozen=True)
class Drifts(Dimmed):
    def share(self, policy):
        TIMES.append(0)
        return 0.5 / len(TIMES)


@breaks("forgetting-file")
@dataclass(frozen=True)
class Loses(Dimmed):
    def begin(self, policy, forget, retain, *, seed):
        return AtOnce(policy, lambda: self.made(self, {"share": torch.tensor(0.5)}))

    def restore(self, tensors):
        return self.made(self, {"share": tensors["share"] ** 2})
