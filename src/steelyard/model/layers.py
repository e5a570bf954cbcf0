"""The parts of a layer that see tokens one by one: linear maps, the norm and the gated feed-forward layer.

    norm(x) = (w + offset) x / sqrt(mean(x^2) + eps);   gated(x) = W_down (act(W_gate x) * W_up x)

D hidden size, M intermediate size. Norms are computed in float32 whatever the weights are, as in transformers.
Sources: Zhang and Sennrich 2019, arXiv:1910.07467 (RMSNorm); Shazeer 2020, arXiv:2002.05202 (SwiGLU, GEGLU).
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, silu

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"silu": silu, "gelu_tanh": partial(gelu, approximate="tanh")}
"""By the names of `Architecture.activation`."""


class ScaledEmbedding(nn.Embedding):
    """Tokens to hidden states, times a number that is rounded as the weights are; all 0 at first."""

    def __init__(self, tokens: int, size: int, scale: float, dtype: torch.dtype) -> None:
        super().__init__(tokens, size, _weight=torch.zeros(tokens, size, dtype=dtype))
        self.scale = torch.tensor(scale, dtype=dtype, device="cpu").item()

    def forward(self, input: Tensor) -> Tensor:
        """The tokens' hidden states."""
        found = super().forward(input)
        return found if self.scale == 1 else found * self.scale


class Linear(nn.Linear):
    """A linear map that starts at 0: no random numbers are drawn only to be loaded over."""

    def reset_parameters(self) -> None:
        """Fill weight and bias with zeros."""
        for parameter in self.parameters():
            nn.init.zeros_(parameter)


class RMSNorm(nn.Module):
    """Root-mean-square norm over the last axis; its weight starts at 0."""

    def __init__(self, size: int, eps: float, dtype: torch.dtype, offset: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(size, dtype=dtype))
        self.eps = eps
        self.offset = offset

    def forward(self, x: Tensor) -> Tensor:
        """The normed tokens, in the type of `x`."""
        wide = x.float()
        wide = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)
        if self.offset:  # a sum of 1 and a small weight would lose most of the weight in bfloat16
            return (wide * (self.weight.float() + self.offset)).to(x.dtype)
        return self.weight * wide.to(x.dtype)


class GatedMLP(nn.Module):
    """The feed-forward layer; see the module's equation. `fused`: gate and up are one weight, the gate first."""

    def __init__(
        self, hidden: int, intermediate: int, *, bias: bool, activation: str, fused: bool, dtype: torch.dtype
    ) -> None:
        super().__init__()
        self.activate = ACTIVATIONS[activation]
        self.fused = fused
        if fused:
            self.gate_up_proj = Linear(hidden, 2 * intermediate, bias=bias, dtype=dtype)
        else:
            self.gate_proj = Linear(hidden, intermediate, bias=bias, dtype=dtype)
            self.up_proj = Linear(hidden, intermediate, bias=bias, dtype=dtype)
        self.down_proj = Linear(intermediate, hidden, bias=bias, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] -> [..., D]."""
        if self.fused:
            gate, up = self.gate_up_proj(x).chunk(2, -1)
        else:
            gate = self.gate_proj(x)
            up = self.up_proj(x)
        return self.down_proj(self.activate(gate) * up)
