"""Losses of a classifier of texts or tokens, by name: cross-entropy, and what is compared with where classes are rare.

    cross-entropy   - mean_i log p_i                        p_i the probability of the label of example i
    weighted        - sum_i w_i log p_i / sum_i w_i,        w_i = 1 / (share of the label among all training examples)
    focal           - mean_i (1 - p_i)^gamma log p_i        gamma 2 (Lin et al. 2017, arXiv:1708.02002)
    dice            `steelyard.guard.dice_loss`

N examples, C classes; labels that the encoder leaves out (-100) count nowhere.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from steelyard.core import NonNegative, checked
from steelyard.guard.dice_loss import DiceLoss
from steelyard.model.encoder import IGNORED

Loss = Callable[[Tensor, Tensor], Float[Tensor, ""]]
"""Logits [N, C] or [N, T, C] and labels [N] or [N, T] to the loss of a batch."""
LossName = Literal["cross-entropy", "weighted", "focal", "dice"]


@runtime_checkable
class LabelLoss(Protocol):
    """Settings of a loss."""

    def over(self, labels: Int[Tensor, "*N"]) -> Loss:
        """The loss of batches, where these are the labels of all training examples."""
        ...


@checked()
@dataclass(frozen=True)
class CrossEntropy:
    """Cross-entropy, or its focal and weighted forms."""

    gamma: NonNegative = 0.0
    """How much less an example counts whose label is likely; 2 for focal loss."""
    weighted: bool = False
    """Weigh each example by how rare its label is."""

    def over(self, labels: Int[Tensor, "*N"]) -> Loss:
        """The loss of batches, where these are the labels of all training examples."""
        count_C = labels[labels != IGNORED].bincount()

        def loss(logits: Tensor, labels: Tensor) -> Float[Tensor, ""]:
            kept = labels != IGNORED
            each_N = cross_entropy(logits[kept], labels[kept], reduction="none")
            weight_N = torch.ones_like(each_N)
            if self.weighted:
                weight_N = (count_C.sum() / count_C.clamp(min=1)).to(each_N)[labels[kept]]
            focus_N = (1 - torch.exp(-each_N)) ** self.gamma if self.gamma else 1.0
            return (weight_N * focus_N * each_N).sum() / weight_N.sum().clamp(min=1e-9)

        return loss


NAMED: Mapping[LossName, LabelLoss] = {
    "cross-entropy": CrossEntropy(),
    "weighted": CrossEntropy(weighted=True),
    "focal": CrossEntropy(gamma=2.0),
    "dice": DiceLoss(),
}
"""Each with its usual settings."""
