"""What is known of each text's label: what was paid for, with which probability, and what is learned from it.

    trusted    weight 1, target y_w + Q/p (y - y_w)
    else       weight Q/p, target y

The tensors are buffers of a module, so a checkpoint of the fit that holds it keeps the labels that were paid for. N
texts, M of a block.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


@dataclass(frozen=True)
class Answers:
    """What was asked of M texts of a block, and what the strong labeller said."""

    chance_M: Float[Tensor, "M"]
    """p: with which probability each was asked about."""
    strong_M: Float[Tensor, "M"]
    """y where it was, else NaN."""
    trusted: bool
    """Whether the weak labels count."""


class Ledger(nn.Module):
    """The labels of N texts.

    Args:
        weak_N: what the weak labeller says of each.
    """

    weak_N: Tensor
    strong_N: Tensor
    chance_N: Tensor
    trusted_N: Tensor
    opened: Tensor

    def __init__(self, weak_N: Float[Tensor, "N"]) -> None:
        super().__init__()
        self.register_buffer("weak_N", weak_N.double().clone())
        self.register_buffer("strong_N", torch.full_like(self.weak_N, torch.nan))
        self.register_buffer("chance_N", torch.zeros_like(self.weak_N))
        self.register_buffer("trusted_N", torch.zeros(len(weak_N), dtype=torch.bool))
        self.register_buffer("opened", torch.tensor(0))

    def enter(self, place_M: Sequence[int], answers: Answers) -> None:
        """Enter a block."""
        of_M = torch.tensor(place_M, dtype=torch.long)
        self.strong_N[of_M] = answers.strong_M.double()
        self.chance_N[of_M] = answers.chance_M.double()
        self.trusted_N[of_M] = answers.trusted
        self.opened += 1

    @property
    def asked_N(self) -> Bool[Tensor, "N"]:
        """Q: the texts with a strong label."""
        return ~self.strong_N.isnan()

    @property
    def entered_N(self) -> Bool[Tensor, "N"]:
        """The texts of the blocks that were entered."""
        return self.chance_N > 0

    @property
    def weight_N(self) -> Float[Tensor, "N"]:
        """What each text weighs; 0 before its block is entered."""
        drawn_N = self.asked_N / self.chance_N.clamp(min=1e-12)
        return torch.where(self.trusted_N, 1.0, drawn_N) * self.entered_N

    @property
    def target_N(self) -> Float[Tensor, "N"]:
        """t: the label that a loss which is linear in it learns from; not always from 0 to 1."""
        strong_N = self.strong_N.nan_to_num(0.0)
        more_N = self.asked_N / self.chance_N.clamp(min=1e-12) * (strong_N - self.weak_N)
        return torch.where(self.trusted_N, self.weak_N + more_N, strong_N)
