"""The parts of a layer that see tokens one by one: linear maps, the norm and the gated feed-forward layer.

    norm(x) = w x / sqrt(mean(x^2) + eps);   gated(x) = W_down (silu(W_gate x) * W_up x)

D hidden size, M intermediate size. Norms are computed in float32 whatever the weights are, as in transformers.
Sources: Zhang and Sennrich 2019, arXiv:1910.07467 (RMSNorm); Shazeer 2020, arXiv:2002.05202 (SwiGLU).
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import silu


class Linear(nn.Linear):
    """A linear map that starts at 0: no random numbers are drawn only to be loaded over."""

    def reset_parameters(self) -> None:
        """Fill weight and bias with zeros."""
        for parameter in self.parameters():
            nn.init.zeros_(parameter)


class RMSNorm(nn.Module):
    """Root-mean-square norm over the last axis; its weight starts at 0."""

    def __init__(self, size: int, eps: float, dtype: torch.dtype) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(size, dtype=dtype))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """The normed tokens, in the type of `x`."""
        wide = x.float()
        wide = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)
        return self.weight * wide.to(x.dtype)


class GatedMLP(nn.Module):
    """The feed-forward layer; see the module's equation."""

    def __init__(self, hidden: int, intermediate: int, *, bias: bool, dtype: torch.dtype) -> None:
        super().__init__()
        self.gate_proj = Linear(hidden, intermediate, bias=bias, dtype=dtype)
        self.up_proj = Linear(hidden, intermediate, bias=bias, dtype=dtype)
        self.down_proj = Linear(intermediate, hidden, bias=bias, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] -> [..., D]."""
        return self.down_proj(silu(self.gate_proj(x)) * self.up_proj(x))
