"""Log-probabilities under a plain head, block by block of rows: large vocabularies in the memory of one block.

    z = W h / temperature;   logp = z[token] - logsumexp(z);   H = logsumexp(z) - sum_v p_v z_v,   p = softmax(z)
    gradient of z:  g (1[v = token] - p_v) - e p_v (log p_v + H),   g and e those of logp and H

One block of logits exists at a time, in the same memory, which the softmax and its gradient then overwrite. Nothing of
size V is kept for the backward pass: it computes each block's logits again. Where W is frozen, as under LoRA, and no
entropy is asked for, even that is saved: the slope of logp in h, (W[token] - p W) / temperature, is made in the forward
pass, M x D numbers, and the backward pass multiplies it by g.
Shapes: M rows, D hidden size, V vocabulary, B rows of a block. Logits are float32, or float64 for a float64 head.
"""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd.function import Function, once_differentiable

from steelyard.model.decoder import TiedHead


def plain_weight(head: object) -> Float[Tensor, "V D"] | None:
    """The weight of a head that multiplies by it and does nothing else; None for any other, as with an adapter."""
    if isinstance(head, TiedHead):
        return head.weight
    if not isinstance(head, nn.Linear) or type(head).forward is not nn.Linear.forward or head.bias is not None:
        return None
    return None if head._forward_hooks or head._forward_pre_hooks else head.weight


def logp_in_blocks(
    hidden_MD: Float[Tensor, "M D"],
    weight_VD: Float[Tensor, "V D"],
    token_M: Int[Tensor, "M"],
    *,
    temperature: float,
    entropy: bool,
    rows: int,
) -> tuple[Float[Tensor, "M"], Float[Tensor, "M"] | None]:
    """Log-probability of each token and, if asked for, the entropy it was drawn under (nats); see the equations.

    Args:
        hidden_MD: hidden states before the tokens.
        weight_VD: of the head; its gradient is taken, too, if it has one.
        token_M: the tokens.
        temperature: divides the logits.
        entropy: whether to return entropies.
        rows: B, the most rows of a block.
    """
    logp_M, entropy_M = _Blocks.apply(hidden_MD, weight_VD, token_M, temperature, entropy, rows)  # pyright: ignore[reportGeneralTypeIssues]
    return logp_M, entropy_M if entropy else None


class _Blocks(Function):
    """See the module."""

    @staticmethod
    def forward(
        ctx: Any, hidden_MD: Tensor, weight_VD: Tensor, token_M: Tensor, temperature: float, entropy: bool, rows: int
    ) -> tuple[Tensor, Tensor]:
        """Log-probabilities, and entropies or nothing."""
        by_hidden, by_weight = ctx.needs_input_grad[:2]
        sloped = by_hidden and not by_weight and not entropy
        room_XBV = _room(weight_VD, rows, 2 if entropy else 1)
        total_M = room_XBV.new_empty(len(token_M))
        logp_M = torch.empty_like(total_M)
        entropy_M = torch.empty_like(total_M) if entropy else total_M.new_empty(0)
        slope_MD = torch.empty_like(hidden_MD) if sloped else None
        for block in _blocks(len(token_M), rows):
            z_BV, *spare = _logits(hidden_MD[block], weight_VD, temperature, room_XBV)
            highest_B1 = z_BV.amax(1, keepdim=True)
            z_BV.sub_(highest_B1)
            chosen_B = z_BV.gather(1, token_M[block, None])[:, 0]
            p_BV = torch.exp(z_BV, out=spare[0] if entropy else z_BV)
            sum_B = p_BV.sum(1)
            logp_M[block] = chosen_B - sum_B.log()
            total_M[block] = highest_B1[:, 0] + sum_B.log()
            if entropy:
                entropy_M[block] = sum_B.log() - torch.einsum("bv,bv->b", p_BV, z_BV) / sum_B
            if slope_MD is not None:
                mean_BD = _times(p_BV.div_(sum_B[:, None]), weight_VD)
                slope_MD[block] = (weight_VD[token_M[block]] - mean_BD) / temperature
        kept = (slope_MD,) if sloped else (hidden_MD, weight_VD, token_M, total_M, entropy_M)
        ctx.save_for_backward(*kept)
        ctx.setting = (sloped, temperature, entropy, rows)
        if not entropy:
            ctx.mark_non_differentiable(entropy_M)
        return logp_M, entropy_M

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor | None, Tensor | None, None, None, None, None]:
        """Gradients of hidden states and weight."""
        by_logp_M, by_entropy_M = grad_outputs
        sloped, temperature, entropy, rows = ctx.setting
        if sloped:
            (slope_MD,) = ctx.saved_tensors
            return slope_MD * by_logp_M[:, None].to(slope_MD.dtype), None, None, None, None, None
        hidden_MD, weight_VD, token_M, total_M, entropy_M = ctx.saved_tensors
        by_hidden_MD = torch.empty_like(hidden_MD) if ctx.needs_input_grad[0] else None
        by_weight_VD = torch.zeros_like(weight_VD) if ctx.needs_input_grad[1] else None
        room_XBV = _room(weight_VD, rows, 2 if entropy else 1)
        for block in _blocks(len(token_M), rows):
            z_BV, *spare = _logits(hidden_MD[block], weight_VD, temperature, room_XBV)
            z_BV.sub_(total_M[block, None])
            g_B = by_logp_M[block]
            if entropy:
                p_BV = torch.exp(z_BV, out=spare[0])
                by_z_BV = z_BV.add_(entropy_M[block, None]).mul_(by_entropy_M[block, None]).add_(g_B[:, None])
                by_z_BV.mul_(p_BV).neg_()
            else:
                by_z_BV = z_BV.exp_().mul_(-g_B[:, None])
            by_z_BV[torch.arange(len(g_B), device=g_B.device), token_M[block]] += g_B
            by_z_BV = by_z_BV.div_(temperature).to(weight_VD.dtype)
            if by_hidden_MD is not None:
                by_hidden_MD[block] = by_z_BV @ weight_VD
            if by_weight_VD is not None:
                by_weight_VD.addmm_(by_z_BV.T, hidden_MD[block])
        return by_hidden_MD, by_weight_VD, None, None, None, None


def _room(weight_VD: Tensor, rows: int, blocks: int) -> Float[Tensor, "X B V"]:
    """Memory for so many blocks of logits."""
    wide = torch.promote_types(weight_VD.dtype, torch.float32)
    return torch.empty(blocks, rows, len(weight_VD), dtype=wide, device=weight_VD.device)


def _blocks(total: int, rows: int) -> Iterator[slice]:
    """The rows in blocks of about equal size: each block reads all of W, however few rows it has."""
    count = -(-total // rows)
    for i in range(count):
        yield slice(i * total // count, (i + 1) * total // count)


def _logits(hidden_BD: Tensor, weight_VD: Tensor, temperature: float, room_XBV: Tensor) -> tuple[Tensor, ...]:
    """The blocks of memory as this block of rows needs them; logits over the temperature are in the first."""
    blocks = room_XBV[:, : len(hidden_BD)].unbind()
    if weight_VD.dtype == room_XBV.dtype:
        torch.mm(hidden_BD, weight_VD.T, out=blocks[0])
    else:
        blocks[0].copy_(hidden_BD @ weight_VD.T)
    blocks[0].div_(temperature)
    return blocks


def _times(p_BV: Tensor, weight_VD: Tensor) -> Float[Tensor, "B D"]:
    return p_BV.to(weight_VD.dtype) @ weight_VD
