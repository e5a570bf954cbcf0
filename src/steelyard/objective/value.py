"""Values of the states between actions: advantages by GAE, and the mean squared error per token.

    delta_t = r_t + gamma V_{t+1} - V_t,    V = 0 after the last action
    A_t     = delta_t + gamma lambda A_{t+1}

P prompts, G samples per prompt, T steps. t + 1 is the next action: steps between
that are no action take no time. None of the three kernels carries the error: it averages tokens, not samples.
Source: Schulman et al. 2016, arXiv:1506.02438.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from steelyard.core import Batch
from steelyard.objective.reduce import steps_of


def last_action(batch: Batch) -> Bool[Tensor, "P G T"]:
    """True at the last action of each valid trajectory."""
    steps_PGT = steps_of(batch)
    left_PGT = steps_PGT.flip(-1).cumsum(-1).flip(-1)
    return steps_PGT & (left_PGT == 1)


def gae(
    reward_PGT: Float[Tensor, "P G T"],
    value_PGT: Float[Tensor, "P G T"],
    steps_PGT: Bool[Tensor, "P G T"],
    gamma: float,
    lam: float,
) -> Float[Tensor, "P G T"]:
    """The advantage of each action, 0 elsewhere; no gradient."""
    value_PGT = value_PGT.detach()
    found = []
    zero_PG = torch.zeros_like(value_PGT[..., 0])
    next_value_PG = next_advantage_PG = zero_PG
    for t in range(value_PGT.shape[-1] - 1, -1, -1):
        here_PG = steps_PGT[..., t]
        value_PG = value_PGT[..., t]
        delta_PG = reward_PGT[..., t] + gamma * next_value_PG - value_PG
        advantage_PG = delta_PG + gamma * lam * next_advantage_PG
        next_value_PG = value_PG.where(here_PG, next_value_PG)
        next_advantage_PG = advantage_PG.where(here_PG, next_advantage_PG)
        found.append(advantage_PG.where(here_PG, zero_PG))
    return torch.stack(found[::-1], -1)


def value_error(
    value_PGT: Float[Tensor, "P G T"], return_PGT: Float[Tensor, "P G T"], steps_PGT: Bool[Tensor, "P G T"]
) -> Float[Tensor, ""]:
    """Mean over actions of (V_t - R_t)^2; the gradient flows through V alone, and is 0 where there is no action."""
    gap_PGT = (value_PGT - return_PGT.detach()).where(steps_PGT, 0.0)
    return gap_PGT.square().sum() / steps_PGT.sum().clamp(min=1)
