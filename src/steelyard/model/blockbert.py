"""BlockBERT: a head hears one block of the text only, so an encoder's cost falls by the number of blocks.

Differs: rotary positions, where the paper's encoder has learnt absolute ones, and no fixed length: a block is a share
of the longest text, a shorter text has fewer blocks, and a head that asks for a block which is not there adds nothing.
Unconfirmed: the formula, that the permutations are cyclic shifts, and the 10 : 2 and 8 : 2 : 2 of 12 heads.

    A_i = softmax(Q K^T / sqrt(d) + log M_i) V,   M_i[s, t] = 1 iff block(s) + shift_i = block(t) modulo b, else 0

b blocks of ceil(n / b) tokens, n the longest text and d the size of a head. The last heads are far ones, `far` for each
shift 1 ... b - 1; all others have shift 0. Computed as small dense blocks: T (n / b) scores a head for T tokens. There
is no causal form: a shift wraps around.
Shapes: H heads, N rows, T tokens, E head size.
Source: Qiu et al. 2019, arXiv:1911.02972.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from steelyard.core import method, require
from steelyard.core.limits import NonNegativeInt, PositiveInt
from steelyard.model.attention_mask import AttentionMask
from steelyard.model.encoder_attention import EncoderAttention, LayerSizes, SelfAttention


@method("blockbert", paper="arXiv:1911.02972", claim="less memory and time than full attention at comparable accuracy")
@dataclass(frozen=True)
class BlockBERT(EncoderAttention):
    """Settings of the blocks."""

    blocks: PositiveInt = 2
    """Blocks of the longest text."""
    far: NonNegativeInt = 1
    """Heads for each shift to another block; the others hear their own."""

    def build(self, sizes: LayerSizes) -> "BlockBERTAttention":
        """The module of one layer.

        Raises:
            SteelyardError: there are more far heads than heads, or more blocks than tokens.
        """
        fits = self.blocks <= sizes.context_length
        what = f"is {self.blocks}, and the longest text has {sizes.context_length} tokens"
        require(fits, what, where="blockbert.blocks", hint="use fewer")
        far = self.far * (self.blocks - 1)
        what = f"asks for {far} far heads, and a layer has {sizes.num_heads}"
        require(far <= sizes.num_heads, what, where="blockbert.far", hint="use fewer, or fewer blocks")
        return BlockBERTAttention(sizes, self)


class BlockBERTAttention(SelfAttention):
    """Softmax over one block for each head."""

    def __init__(self, sizes: LayerSizes, settings: BlockBERT) -> None:
        super().__init__(sizes)
        self.blocks = settings.blocks
        self.length = -(-sizes.context_length // settings.blocks)
        near = sizes.num_heads - settings.far * (settings.blocks - 1)
        self.heads_of_shift = [near] + [settings.far] * (settings.blocks - 1)

    def mix(
        self,
        q: Float[Tensor, "H N T E"],
        k: Float[Tensor, "H N T E"],
        v: Float[Tensor, "H N T E"],
        mask: AttentionMask,
    ) -> Float[Tensor, "H N T E"]:
        """The mixed values; 0 where a head's block has no token."""
        real_NT = torch.ones(q.shape[1:3], dtype=torch.bool, device=q.device) if mask.real is None else mask.real
        asked, heard, given = (x.split(self.heads_of_shift) for x in (q, k, v))
        shifts = range(self.blocks)
        return torch.cat([self._shifted(asked[i], heard[i], given[i], real_NT, i) for i in shifts])

    def _shifted(
        self,
        q: Float[Tensor, "G N T E"],
        k: Float[Tensor, "G N T E"],
        v: Float[Tensor, "G N T E"],
        real_NT: Bool[Tensor, "N T"],
        shift: int,
    ) -> Float[Tensor, "G N T E"]:
        """The G heads of one shift, query block by query block."""
        mixed = []
        for place, asked in enumerate(q.split(self.length, 2)):
            first = (place + shift) % self.blocks * self.length
            heard = slice(first, first + self.length)
            mixed.append(_block(asked, k[:, :, heard], v[:, :, heard], real_NT[:, heard]))
        return torch.cat(mixed, 2)


def _block(
    q: Float[Tensor, "G N X E"], k: Float[Tensor, "G N Y E"], v: Float[Tensor, "G N Y E"], real_NY: Bool[Tensor, "N Y"]
) -> Float[Tensor, "G N X E"]:
    """One dense block; where all keys are padding, or there is none, 0."""
    heard = real_NY[None, :, None]
    score = (q @ k.transpose(2, 3) * q.shape[-1] ** -0.5).masked_fill(~heard, torch.finfo(q.dtype).min)
    return score.softmax(-1).masked_fill(~heard, 0.0) @ v
