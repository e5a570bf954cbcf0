"""Log-probabilities of given tokens, without ever holding the logits of a whole batch.

    logp[n, t] = log softmax(head(h[n, t-1]) / temperature)[tokens[n, t]],   h = backbone(tokens)
    others     = mean of log softmax over all tokens but that one
               = logp + V / (V - 1) (mean_v W[v] - W[token]) . h / temperature,   head(h) = W h

The head runs only at the M positions that precede an action, and at most `chunk` of them at a time. Where they are
many, `logp_blocks` makes those of a plain head in one block of chunk x V, and `others` needs no logits. Those of a head
with an adapter are computed again in the backward pass, in about four. Logits N x T x V are never made.
Shapes: N rows, T steps, V vocabulary, D hidden size, M actions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from steelyard.model import Decoder
from steelyard.policy import prefix_sharing
from steelyard.policy.logp_blocks import logp_in_blocks, plain_weight

LOGITS_AT_ONCE = 2**25  # chunk x V by default: 128 MiB in float32
LOGITS_AT_ONCE_GPU = 2**27  # more there, so that products fill it: 512 MiB
COPIES = 4
"""Copies of the logits that torch's own operations hold at once: where these fit into a block, they are faster."""


def logits_at_once(device: torch.device) -> int:
    """Logits that are held at once on a device."""
    return LOGITS_AT_ONCE if device.type in ("cpu", "meta") else LOGITS_AT_ONCE_GPU


def logits_bytes(tokens: int, vocabulary: int, device: torch.device) -> int:
    """What logits take at most while so many tokens are learnt from: `COPIES`, or a block and one for entropies."""
    return 4 * min(COPIES * tokens * vocabulary, 2 * logits_at_once(device))


@dataclass(frozen=True)
class StepLogp:
    """Log-probabilities and hidden states of N rows of T tokens, in float32."""

    logp_NT: Float[Tensor, "N T"]
    """Log-probability of each action given all before it (nats), 0 where not an action."""
    entropy_NT: Float[Tensor, "N T"] | None
    """Entropy of the distribution each action was drawn from (nats), 0 where not an action; None unless asked for."""
    prompt_ND: Float[Tensor, "N D"]
    """Mean hidden state over the prompt, for a learned log Z. Carries a gradient: detach it to train log Z alone."""
    hidden_MD: Float[Tensor, "M D"]
    """Hidden state before each action, row by row, for a learned value. Carries a gradient too."""
    others_NT: Float[Tensor, "N T"] | None = None
    """Mean log-probability of the tokens that might have stood in an action's place (nats), 0 where not an action; None
    unless asked for. Carries a gradient."""


def positions_of(attend_NT: Bool[Tensor, "N T"]) -> Int[Tensor, "N T"]:
    """Position ids that count attended tokens only, so that padding on either side moves nothing."""
    return (attend_NT.long().cumsum(1) - 1).clamp(min=0)


def step_logp(
    backbone: Callable[..., Any],
    head: Callable[[Tensor], Tensor],
    tokens_NT: Int[Tensor, "N T"],
    attend_NT: Bool[Tensor, "N T"],
    action_NT: Bool[Tensor, "N T"],
    *,
    temperature: float,
    entropy: bool,
    chunk: int,
    others: bool = False,
    shared: bool = True,
    device: torch.device | None = None,
) -> StepLogp:
    """`StepLogp` of the tokens; see the module's equation and `Policy.step_logp`.

    With `shared`, a decoder of our own computes each prompt once for all its rows. `device` is the model's, by default
    that of the rows: they are arranged where they are, so that rows from the processor do not wait for a GPU.
    """
    if not (attend_NT[:, 1:] & attend_NT[:, :-1])[action_NT[:, 1:]].all() or action_NT[:, 0].any():
        raise ValueError("an action must be an attended token with an attended token before it")
    device = device or tokens_NT.device
    hidden_MD, prompt_ND = _states(backbone, tokens_NT, attend_NT, action_NT, shared, device)
    token_M = tokens_NT[action_NT].to(device)
    action_NT = action_NT.to(device)

    def at_actions(hidden_MD: Tensor, token_M: Tensor) -> tuple[Tensor, ...]:
        logp_MV = torch.log_softmax(head(hidden_MD).float() / temperature, -1)
        logp_M = logp_MV.gather(1, token_M[:, None])[:, 0]
        entropies = (-(logp_MV.exp() * logp_MV).sum(1),) if entropy else ()
        rest = ((logp_MV.sum(1) - logp_M) / (logp_MV.shape[1] - 1),) if others else ()
        return (logp_M, *entropies, *rest)

    weight_VD = plain_weight(head)
    if weight_VD is not None and len(token_M) * COPIES > chunk:
        found = logp_in_blocks(hidden_MD, weight_VD, token_M, temperature=temperature, entropy=entropy, rows=chunk)
        rest_M = _others(found[0], hidden_MD, weight_VD, token_M, temperature) if others else None
        columns = tuple(column.float() for column in (*found, rest_M) if column is not None)
    elif len(token_M) <= chunk:
        columns = at_actions(hidden_MD, token_M)
    else:
        pieces = zip(hidden_MD.split(chunk), token_M.split(chunk), strict=True)
        parts = [checkpoint(at_actions, *piece, use_reentrant=False) for piece in pieces]
        columns = tuple(torch.cat(column) for column in zip(*parts, strict=True))  # pyright: ignore[reportArgumentType]

    blank_NT = torch.zeros_like(action_NT, dtype=torch.float32)
    spread = [blank_NT.masked_scatter(action_NT, column_M) for column_M in columns]
    entropy_NT = spread[1] if entropy else None
    return StepLogp(spread[0], entropy_NT, prompt_ND, hidden_MD, spread[-1] if others else None)


def _others(
    logp_M: Float[Tensor, "M"],
    hidden_MD: Float[Tensor, "M D"],
    weight_VD: Float[Tensor, "V D"],
    token_M: Int[Tensor, "M"],
    temperature: float,
) -> Float[Tensor, "M"]:
    """The mean log-probability of all other tokens under a plain head."""
    V = len(weight_VD)
    mean_D = weight_VD.mean(0, dtype=logp_M.dtype)
    gap_M = ((mean_D - weight_VD[token_M].to(logp_M.dtype)) * hidden_MD.to(logp_M.dtype)).sum(1) / temperature
    return logp_M + V / (V - 1) * gap_M


def _states(
    backbone: Callable[..., Any],
    tokens_NT: Int[Tensor, "N T"],
    attend_NT: Bool[Tensor, "N T"],
    action_NT: Bool[Tensor, "N T"],
    shared: bool,
    device: torch.device,
) -> tuple[Float[Tensor, "M D"], Float[Tensor, "N D"]]:
    """Hidden states that precede the actions, and each row's mean over its prompt."""
    if shared and isinstance(backbone, Decoder):
        found = prefix_sharing.shared_states(backbone, tokens_NT, attend_NT, action_NT)
        if found is not None:
            return found
    tokens_NT, attend_NT, action_NT = (x.to(device) for x in (tokens_NT, attend_NT, action_NT))
    mask = attend_NT.long()
    positions = positions_of(attend_NT)
    hidden_NTD = backbone(input_ids=tokens_NT, attention_mask=mask, position_ids=positions, use_cache=False)[0]
    prompt_NT = attend_NT & (action_NT.cumsum(1) == 0)
    share_NT = prompt_NT / prompt_NT.sum(1, keepdim=True).clamp(min=1)
    return hidden_NTD[:, :-1][action_NT[:, 1:]], torch.einsum("nt,ntd->nd", share_NT, hidden_NTD.float())
