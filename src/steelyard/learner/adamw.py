"""AdamW by torch's own fused kernel, without torch.optim around it.

    m = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) g^2
    p = (1 - lr decay) p - lr m' / (sqrt(v') + eps),   m' = m / (1 - beta1^t),  v' = v / (1 - beta2^t)

Bit for bit what torch.optim.AdamW(fused=True) does, which calls the same kernel. But the first call of that one imports
torch's compiler: over a second of the learner's start, and 70 MB for the rest of its life.
Source: Loshchilov and Hutter 2017, arXiv:1711.05101.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

EPS = 1e-8


class AdamW:
    """The part of torch's optimiser that a learner needs, by the same names.

    Args:
        parameters: what is trained.
        betas: decay of the gradient's running mean, and of its square's.
        weight_decay: decoupled.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], betas: tuple[float, float], weight_decay: float) -> None:
        self.betas = betas
        self.weight_decay = weight_decay
        self.param_groups: list[dict[str, Any]] = [{"params": [*parameters], "lr": 0.0}]
        self.state: dict[nn.Parameter, dict[str, Tensor]] = {}

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        assert set_to_none
        for p in self.param_groups[0]["params"]:
            p.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """One update of every parameter that has a gradient."""
        alike: dict[tuple[torch.device, torch.dtype], list[nn.Parameter]] = {}
        for p in self.param_groups[0]["params"]:
            if p.grad is not None:
                alike.setdefault((p.device, p.dtype), []).append(p)
                if p not in self.state:
                    self.state[p] = _memory(p)
        for parameters in alike.values():
            self._update(parameters)

    def _update(self, parameters: list[nn.Parameter]) -> None:
        states = [self.state[p] for p in parameters]
        steps = [state["step"] for state in states]
        torch.ops.aten._foreach_add_(steps, 1)
        gradients = [p.grad for p in parameters if p.grad is not None]
        means = ([state[key] for state in states] for key in ("exp_avg", "exp_avg_sq"))
        torch.ops.aten._fused_adamw_(
            parameters,
            gradients,
            *means,
            [],
            steps,
            lr=self.param_groups[0]["lr"],
            beta1=self.betas[0],
            beta2=self.betas[1],
            weight_decay=self.weight_decay,
            eps=EPS,
            amsgrad=False,
            maximize=False,
        )


def _memory(p: nn.Parameter) -> dict[str, Tensor]:
    blank = [torch.zeros_like(p, memory_format=torch.preserve_format) for _ in range(2)]
    return {"step": torch.zeros((), device=p.device), "exp_avg": blank[0], "exp_avg_sq": blank[1]}
