"""The draw of `sampling`, for a GPU: one token for each row at a given uniform, without a wait for the processor.

    p = softmax(logits / temperature);   the vocabulary is cut into B blocks of b tokens
    block = the first with  P[0] + ... + P[block] > u,   P[i] the sum of block i
    token = the first of it with  (sums of earlier blocks) + p[..] + ... + p[token] > u

Probabilities are float32 and sums float64, made in a fixed order by products with a triangular matrix; a scan of a
whole row on a GPU has none. It is the token that `sampling.draw` takes, unless the rounding of a float32 probability
carries the uniform over the border between two tokens. Shapes: N rows, V vocabulary.
"""

from functools import cache

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from steelyard.core import Sampling
from steelyard.rollout.sampling import cut

Drawn = tuple[Int64[Tensor, "N"], Float[Tensor, "N"], Bool[Tensor, "N"]]
"""Tokens, their log-probabilities (nats), and whether the row's logits were finite."""


def draw_in_blocks(
    logits_NV: Float[Tensor, "N V"],
    uniform_N: Float64[Tensor, "N"],
    temperature: Float[Tensor, ""],
    sampling: Sampling,
) -> Drawn:
    """The tokens. `temperature` stands in for that of `sampling`, unless this is 0 (greedy)."""
    if sampling.temperature == 0:
        highest_N, token_N = logits_NV.max(1)
        return token_N, torch.zeros_like(highest_N), torch.isfinite(highest_N)
    p_NV = torch.softmax(cut(logits_NV / temperature, sampling), 1)
    p_NBb = _blocks(p_NV)
    upto_NB = p_NBb.sum(2, dtype=torch.float64) @ _triangle(p_NBb.shape[1], logits_NV.device)
    total_N = upto_NB[:, -1]
    point_N1 = _below(uniform_N * total_N, total_N)[:, None]
    block_N1 = (upto_NB <= point_N1).sum(1, keepdim=True).clamp(max=upto_NB.shape[1] - 1)
    before_N1 = torch.where(block_N1 > 0, upto_NB.gather(1, (block_N1 - 1).clamp(min=0)), 0.0)
    chosen_Nb = p_NBb.gather(1, block_N1[:, :, None].expand(-1, 1, p_NBb.shape[2]))[:, 0]
    upto_Nb = before_N1 + chosen_Nb.double() @ _triangle(p_NBb.shape[2], logits_NV.device)
    # The sum over the block, made in another order, may lie a rounding below that of the blocks.
    inside_N1 = _below(point_N1[:, 0], upto_Nb[:, -1])[:, None]
    token_N1 = block_N1 * p_NBb.shape[2] + (upto_Nb <= inside_N1).sum(1, keepdim=True)
    token_N1 = token_N1.clamp(max=logits_NV.shape[1] - 1)  # of a row that is not finite
    return token_N1[:, 0], p_NV.gather(1, token_N1)[:, 0].log(), torch.isfinite(total_N)


def _below(value_N: Float64[Tensor, "N"], bound_N: Float64[Tensor, "N"]) -> Float64[Tensor, "N"]:
    """The values, or the largest number below the bound: above it lie no tokens."""
    return torch.minimum(value_N, torch.nextafter(bound_N, torch.zeros_like(bound_N)))


def _blocks(p_NV: Float[Tensor, "N V"]) -> Float[Tensor, "N B b"]:
    """About as many blocks as tokens in one, filled up with zeros."""
    (N, V) = p_NV.shape
    width = 1 << ((V - 1).bit_length() + 1) // 2
    blocks = -(-V // width)
    whole = blocks * width == V
    return (p_NV if whole else torch.nn.functional.pad(p_NV, (0, blocks * width - V))).view(N, blocks, width)


@cache
def _triangle(size: int, device: torch.device) -> Float64[Tensor, "X X"]:
    """Ones on and above the diagonal: x @ triangle are the running sums of x."""
    return torch.ones(size, size, dtype=torch.float64, device=device).triu()
