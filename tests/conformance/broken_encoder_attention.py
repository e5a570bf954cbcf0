"""Attention variants of encoders that each break one check."""

from dataclasses import dataclass

import torch

from conformance.strangers import breaks, sound
from steelyard.core import method
from steelyard.model import EncoderAttention, EncoderMixing, LayerSizes, SelfAttention, attend


@sound
@method("test-sharper")
@dataclass(frozen=True)
class Sharper(EncoderAttention):
    """A stranger's attention of encoders.

        out = softmax(factor q k^T / sqrt(E)) v

    Source: this file.
    """  # fmt: skip

    factor: float = 2.0
    """Of the scores."""

    made = SelfAttention

    def build(self, sizes: LayerSizes) -> EncoderMixing:
        return self.made(sizes)


def builds(*checks):
    """An attention that builds the module below."""

    def register(module):
        cls = type(module.__name__, (Sharper,), {"made": module, "__doc__": Sharper.__doc__, "__module__": __name__})
        for check in checks:
            breaks(check)(dataclass(frozen=True)(cls))
        return module

    return register


@builds("encoder-shapes")
class Single(SelfAttention):
    def mix(self, q, k, v, mask):
        return attend(q.float(), k.float(), v.float(), mask)


@builds("encoder-seeded")
class DrawsItsOwn(SelfAttention):
    def __init__(self, sizes):
        super().__init__(sizes)
        self.shift = torch.randn(())

    def mix(self, q, k, v, mask):
        return attend(q, k, v, mask) + self.shift


@builds("encoder-padding")
class HearsPadding(SelfAttention):
    def mix(self, q, k, v, mask):
        return attend(q, k, v, mask) + v.mean(2, keepdim=True)


@builds("encoder-rows")
class FirstRowIsLouder(SelfAttention):
    def mix(self, q, k, v, mask):
        out = attend(q, k, v, mask)
        return torch.cat((2 * out[:, :1], out[:, 1:]), 1)


@builds("encoder-hears")
class LooksBack(SelfAttention):
    def mix(self, q, k, v, mask):
        hidden = torch.full_like(mask.distance(), -1e9, dtype=q.dtype).where(mask.distance() < 0, mask.bias())
        return (q @ k.transpose(2, 3) + hidden).softmax(-1) @ v


@builds("encoder-gradient")
class LeavesAWeight(SelfAttention):
    def __init__(self, sizes):
        super().__init__(sizes)
        self.unused = torch.nn.Parameter(torch.zeros(2, 2))


@breaks("encoder-saved")
@dataclass(frozen=True)
class Unregistered(Sharper):
    """Nothing in a file may have its module imported."""


@builds("encoder-cost")
class Thrice(SelfAttention):
    def mix(self, q, k, v, mask):
        return sum(attend(q, k, v, mask) for _ in range(3))
