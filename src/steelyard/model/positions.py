"""Rotary positions: queries and keys are turned by an angle that grows with their position.

    angle(t, i) = t theta^(-2i/E);   pair (x_i, x_{i + E/2}) is rotated by it

So q . k depends on the distance of their positions alone. Some models turn only the first dimensions of a head.
T steps, H heads, E head size.
Source: Su et al. 2021, arXiv:2104.09864; the stretched low frequencies are those of Llama 3.1, arXiv:2407.21783.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

Rotation = tuple[Tensor, Tensor]
"""Cosines, and sines with the sign that the first half of a head takes, [..., H, E] of each token's position."""


@dataclass(frozen=True)
class Rotary:
    """The rule for the angles: inverse frequencies theta^(-2i/E); "linear" and "llama3" stretch them."""

    theta: float
    kind: str = "default"
    factor: float = 1.0
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    original_context: int = 8192
    share: float = 1.0
    """Share of a head's dimensions that are turned, the first ones; the others pass as they are."""

    def pairs(self, head_dim: int) -> int:
        """How many pairs of dimensions are turned."""
        return (int(head_dim * self.share) + 1) // 2

    def inverse_frequencies(self, head_dim: int) -> Float[Tensor, "pairs"]:
        """Radians per position of each pair of dimensions that are turned."""
        size = int(head_dim * self.share)
        inverse = 1.0 / self.theta ** (torch.arange(0, size, 2, dtype=torch.int64).float() / size)
        if self.kind == "linear":
            return inverse / self.factor
        if self.kind == "default":
            return inverse
        turns = self.original_context * inverse / (2 * math.pi)
        smooth = (turns - self.low_freq_factor) / (self.high_freq_factor - self.low_freq_factor)
        smooth = smooth.clamp(0, 1)
        return (1 - smooth) * inverse / self.factor + smooth * inverse


def rotation_of(
    positions: Int[Tensor, "..."], inverse: Float[Tensor, "pairs"], heads: int, dtype: torch.dtype
) -> Rotation:
    """How queries and keys at these positions are turned, for each of `heads` heads; angles are float32."""
    angles = positions[..., None, None].float() * inverse
    shape = (*positions.shape, heads, 2 * len(inverse))
    cos, sin = (
        torch.cat(halves, -1).to(dtype).expand(shape).contiguous()
        for halves in ((angles.cos(), angles.cos()), (-angles.sin(), angles.sin()))
    )
    return cos, sin


def rotate(x: Float[Tensor, "... E"], rotation: Rotation) -> Float[Tensor, "... E"]:
    """The queries or keys, turned; `rotation` may have more heads than `x`, and fewer dimensions."""
    cos, sin = (table[..., : x.shape[-2], :] for table in rotation)
    size = cos.shape[-1]
    if size == x.shape[-1]:
        return torch.addcmul(x * cos, x.roll(size // 2, -1), sin)
    turned, rest = x[..., :size], x[..., size:]
    return torch.cat((torch.addcmul(turned * cos, turned.roll(size // 2, -1), sin), rest), -1)
