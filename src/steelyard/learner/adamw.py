"""AdamW by torch's fused kernel, without torch.optim around it.

    m = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) g^2
    p = (1 - lr decay) p - lr m' / (sqrt(v') + eps),   m' = m / (1 - beta1^t),  v' = v / (1 - beta2^t)

The bits are those of torch.optim.AdamW(fused=True), which calls the same kernel; but its first call imports torch's
compiler, which costs the learner over a second at the start and 70 MB from then on. The kernel is private to torch, so
it is tried once on four numbers for each device and number format. Where it is missing or gives other numbers, `plain`
takes its place, which is the same update in ordinary tensor operations.
Source: Loshchilov and Hutter 2017, arXiv:1711.05101.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypedDict

import torch
from torch import Tensor, nn

EPS = 1e-8


@dataclass(frozen=True)
class Rates:
    """The numbers of one update."""

    lr: float
    beta1: float
    beta2: float
    weight_decay: float


Update = Callable[[Sequence[Tensor], Sequence[Tensor], Sequence[dict[str, Tensor]], Rates], None]
"""(parameters, gradients, states, rates): changes parameters and states in place; `step` has been counted already."""


class ParameterGroup(TypedDict):
    """What is trained, at which learning rate: the form of torch.optim's."""

    params: list[nn.Parameter]
    lr: float


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
        self.param_groups: list[ParameterGroup] = [{"params": [*parameters], "lr": 0.0}]
        self.state: dict[nn.Parameter, dict[str, Tensor]] = {}

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        assert set_to_none
        for p in self.param_groups[0]["params"]:
            p.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Update every parameter that has a gradient."""
        alike: dict[tuple[torch.device, torch.dtype], list[nn.Parameter]] = {}
        for p in self.param_groups[0]["params"]:
            if p.grad is not None:
                alike.setdefault((p.device, p.dtype), []).append(p)
                if p not in self.state:
                    self.state[p] = _blank_state(p)
        rates = Rates(self.param_groups[0]["lr"], *self.betas, self.weight_decay)
        for (device, dtype), parameters in alike.items():
            states = [self.state[p] for p in parameters]
            torch._foreach_add_([s["step"] for s in states], 1)  # pyright: ignore[reportPrivateImportUsage]
            gradients = [p.grad for p in parameters if p.grad is not None]
            update_for(device.type, dtype)(parameters, gradients, states, rates)


@cache
def update_for(device: str, dtype: torch.dtype) -> Update:
    """`fused` where torch has that kernel for the device and number format and it gives the right numbers."""
    results: list[Tensor] = []
    for update in (plain, fused):
        p = torch.tensor([1.0, -2.0, 0.5, 3.0], device=device).to(dtype)
        state = _blank_state(p)
        state["step"] += 1
        try:
            update([p], [p.flip(0)], [state], Rates(0.1, 0.9, 0.99, 0.1))
        except (RuntimeError, AttributeError, NotImplementedError, TypeError):
            return plain  # no such operator, or another signature
        results.append(p.float())
    return fused if torch.allclose(results[0], results[1], atol=0.02) else plain


def fused(
    parameters: Sequence[Tensor], gradients: Sequence[Tensor], states: Sequence[dict[str, Tensor]], rates: Rates
) -> None:
    """All parameters in one kernel."""
    torch.ops.aten._fused_adamw_(
        parameters,
        gradients,
        [state["exp_avg"] for state in states],
        [state["exp_avg_sq"] for state in states],
        [],
        [state["step"] for state in states],
        lr=rates.lr,
        beta1=rates.beta1,
        beta2=rates.beta2,
        weight_decay=rates.weight_decay,
        eps=EPS,
        amsgrad=False,
        maximize=False,
    )


def plain(
    parameters: Sequence[Tensor], gradients: Sequence[Tensor], states: Sequence[dict[str, Tensor]], rates: Rates
) -> None:
    """One parameter after another, computed in float32 at least, as the kernel does."""
    for p, gradient, state in zip(parameters, gradients, states, strict=True):
        wide = torch.promote_types(p.dtype, torch.float32)
        g = gradient.to(wide)
        mean = state["exp_avg"].to(wide).lerp(g, 1 - rates.beta1)
        square = state["exp_avg_sq"].to(wide) * rates.beta2 + (1 - rates.beta2) * g * g
        step = float(state["step"])
        scale = (square / (1 - rates.beta2**step)).sqrt() + EPS
        shrunk = p.to(wide) * (1 - rates.lr * rates.weight_decay)
        p.copy_(shrunk - rates.lr / (1 - rates.beta1**step) * mean / scale)
        state["exp_avg"].copy_(mean)
        state["exp_avg_sq"].copy_(square)


def _blank_state(p: Tensor) -> dict[str, Tensor]:
    return {
        "step": torch.zeros((), device=p.device),
        "exp_avg": torch.zeros_like(p, memory_format=torch.preserve_format),
        "exp_avg_sq": torch.zeros_like(p, memory_format=torch.preserve_format),
    }
