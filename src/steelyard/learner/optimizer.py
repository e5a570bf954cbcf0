"""Adam with the settings that post-training needs: clipping, and a warm-up / stable / decay learning rate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from steelyard.core import NonNegative, PositiveOrInf, ShareBelowOne, WarmupStableDecay, checked
from steelyard.learner.adamw import AdamW

ADAM = ("step", "exp_avg", "exp_avg_sq")
"""What AdamW remembers of a parameter: updates made (a number), and the running means."""


@checked("optimizer")
@dataclass(frozen=True)
class Adam:
    """AdamW (arXiv:1711.05101) on a learning rate that `schedule` multiplies."""

    beta1: ShareBelowOne = 0.9
    """Decay of the gradient's running mean."""
    beta2: ShareBelowOne = 0.99
    """Decay of the squared gradient's running mean."""
    weight_decay: NonNegative = 0.0
    """Decoupled weight decay."""
    max_grad_norm: PositiveOrInf = 1.0
    """Gradients longer than this are scaled down to it; inf leaves them as they are."""
    schedule: WarmupStableDecay = field(default_factory=WarmupStableDecay)
    """Learning-rate multiplier over learner steps."""

    def open(self, parameters: Sequence[nn.Parameter]) -> AdamW:
        """The live optimiser; its learning rate is set at every step."""
        return AdamW(parameters, (self.beta1, self.beta2), self.weight_decay)


def memory(optimizer: AdamW, parameters: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    """All that the optimiser remembers, as adam.KEY.NAME; a parameter that never had a gradient has no memory."""
    return {
        f"adam.{key}.{name}": value
        for name, p in parameters.items()
        for key, value in optimizer.state.get(p, {}).items()
    }


def remember(optimizer: AdamW, parameters: Mapping[str, nn.Parameter], tensors: Mapping[str, Tensor]) -> None:
    """Give the optimiser what `memory` returned, bit for bit; what it remembers now is forgotten."""
    optimizer.state.clear()
    for name, p in parameters.items():
        # Not load_state_dict, which casts to the parameter's type. Only means that an earlier release kept in fewer
        # bits are widened.
        found = {key: tensors[at] for key in ADAM if (at := f"adam.{key}.{name}") in tensors}
        kept = {key: x.to(p.device, torch.promote_types(x.dtype, torch.float32), copy=True) for key, x in found.items()}
        if kept:
            optimizer.state[p] = kept
