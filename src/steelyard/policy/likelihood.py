"""How likely a policy finds given texts, without a gradient."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float64

from steelyard.core import Trajectory, pad
from steelyard.policy.policy import Policy

TOKENS_AT_ONCE = 65536
"""Tokens of a forward pass, padding included; bounds memory."""


@torch.no_grad()
def total_logp(policy: Policy, trajectories: Sequence[Trajectory]) -> Float64[np.ndarray, "N"]:
    """The log-probability of each trajectory's actions together (nats)."""
    found = []
    for part in _parts(trajectories):
        batch = pad(part)
        logp_NT = policy.step_logp(batch.tokens_NT, batch.attend_NT, batch.action_NT).logp_NT.double()
        found.append(logp_NT.sum(1).cpu().numpy())
    return np.concatenate(found) if found else np.zeros(0)


def num_actions(trajectories: Sequence[Trajectory]) -> Float64[np.ndarray, "N"]:
    """How many actions each trajectory has."""
    return np.array([float(t.action_T.sum()) for t in trajectories])


def _parts(trajectories: Sequence[Trajectory]) -> list[list[Trajectory]]:
    """The trajectories in order, cut so that no padded part exceeds `TOKENS_AT_ONCE`."""
    parts: list[list[Trajectory]] = [[]]
    longest = 0
    for t in trajectories:
        longest = max(longest, len(t.tokens_T))
        if parts[-1] and longest * (len(parts[-1]) + 1) > TOKENS_AT_ONCE:
            parts.append([])
            longest = len(t.tokens_T)
        parts[-1].append(t)
    return [part for part in parts if part]
