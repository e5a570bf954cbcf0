"""Attention variants that each break one check."""

from dataclasses import dataclass

import torch

from conformance.strangers import breaks, sound
from steelyard.model import DecodeKernel, Mix, attend


@sound
@dataclass(frozen=True)
class Sharp(Mix):
    """A stranger's attention.

        out = softmax(2 q k^T / sqrt(E)) v

    Source: this file.
    """  # fmt: skip

    def __call__(self, q, k, v, mask):
        return attend(2 * q, k, v, mask)


@breaks("attention-shapes")
@dataclass(frozen=True)
class Widens(Sharp):
    def __call__(self, q, k, v, mask):
        return attend(q, k, v, mask).float()


@breaks("attention-repeatable")
@dataclass(frozen=True)
class Noisy(Sharp):
    def __call__(self, q, k, v, mask):
        return attend(q, k, v, mask) + torch.randn(())


@breaks("attention-causal")
@dataclass(frozen=True)
class AddsTheMean(Sharp):
    def __call__(self, q, k, v, mask):
        return attend(q, k, v, mask) + v.mean() / 10


@breaks("attention-padding")
@dataclass(frozen=True)
class ForgetsPadding(Sharp):
    def __call__(self, q, k, v, mask):
        hidden = (mask.distance() < 0).to(q.dtype) * -1e9
        k, v = (x.repeat_interleave(q.shape[0] // k.shape[0], 0) for x in (k, v))
        return (q @ k.transpose(2, 3) + hidden).softmax(-1) @ v


@breaks("attention-rows")
@dataclass(frozen=True)
class FirstRowIsLouder(Sharp):
    def __call__(self, q, k, v, mask):
        out = attend(q, k, v, mask)
        return torch.cat((2 * out[:, :1], out[:, 1:]), 1)


@breaks("attention-heads")
@dataclass(frozen=True)
class SlopePerHead(Sharp):
    def __call__(self, q, k, v, mask):
        return attend(q * torch.arange(1, len(q) + 1)[:, None, None, None].to(q.dtype), k, v, mask)


@breaks("attention-gradient")
@dataclass(frozen=True)
class StopsTheQuery(Sharp):
    def __call__(self, q, k, v, mask):
        return attend(q.detach(), k, v, mask)


@breaks("attention-shared")
@dataclass(frozen=True)
class CountsPlaces(Sharp):
    # A prompt that is padded in front of its rests has its keys at other places than in a row.
    def __call__(self, q, k, v, mask):
        place = torch.arange(k.shape[2], dtype=k.dtype)[:, None] / 5
        return attend(q, k + place, v, mask)


@breaks("attention-kernel")
@dataclass(frozen=True)
class Pretends(Sharp):
    def decode_kernel(self) -> DecodeKernel:
        return DecodeKernel()


@breaks("attention-cost")
@dataclass(frozen=True)
class Squares(Sharp):
    def __call__(self, q, k, v, mask):
        for _ in range(3):
            out = attend(q, k, v, mask)
        return out


@dataclass(frozen=True)
class FarKeysLieAtTheLimit(Mix):
    """A stranger's attention that turns queries and keys itself: no key is further than `limit`.

        out = softmax(R(min(x - y, limit)) q . k / sqrt(E)) v

    Source: this file.
    """  # fmt: skip

    limit: int = 3
    """Longest distance (tokens)."""

    def turns_itself(self):
        return True

    def __call__(self, q, k, v, mask):
        k, v = (x.repeat_interleave(q.shape[0] // k.shape[0], 0) for x in (k, v))
        near = mask.turn(q, mask.queries) @ mask.turn(k, mask.keys).transpose(2, 3)
        far = mask.turn(q, torch.full_like(mask.queries, self.limit)) @ k.transpose(2, 3)
        score = far.where(mask.distance() > self.limit, near)
        return (score / q.shape[3] ** 0.5 + mask.bias()).softmax(-1) @ v
