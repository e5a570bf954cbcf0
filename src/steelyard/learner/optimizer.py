"""Adam with the settings that post-training needs: clipping, and a warm-up / stable / decay learning rate."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import nn

from steelyard.core import WarmupStableDecay, require


@dataclass(frozen=True)
class Adam:
    """AdamW (arXiv:1711.05101) on a learning rate that `schedule` multiplies."""

    beta1: float = 0.9
    """Decay of the gradient's running mean."""
    beta2: float = 0.99
    """Decay of the squared gradient's running mean."""
    weight_decay: float = 0.0
    """Decoupled weight decay."""
    max_grad_norm: float = 1.0
    """Gradients longer than this are scaled down to it."""
    schedule: WarmupStableDecay = field(default_factory=WarmupStableDecay)
    """Learning-rate multiplier over learner steps."""

    def __post_init__(self) -> None:
        for name in ("beta1", "beta2"):
            require(
                0 <= getattr(self, name) < 1,
                f"{name} is {getattr(self, name)}",
                where="optimizer",
                mend="use 0 <= beta < 1",
            )
        require(
            self.max_grad_norm > 0,
            f"max_grad_norm is {self.max_grad_norm}",
            where="optimizer",
            mend="use a positive norm",
        )
        require(self.weight_decay >= 0, f"weight_decay is {self.weight_decay}", where="optimizer", mend="use 0 or more")

    def open(self, parameters: Sequence[nn.Parameter]) -> torch.optim.AdamW:
        """The live optimiser; its learning rate is set at every step."""
        return torch.optim.AdamW(
            parameters, lr=0.0, betas=(self.beta1, self.beta2), weight_decay=self.weight_decay, fused=True
        )
