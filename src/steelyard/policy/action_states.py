"""The last hidden state before each action of given texts, without a gradient."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float

from steelyard.core import Trajectory, pad
from steelyard.policy.policy import Policy


@torch.no_grad()
def action_states(policy: Policy, trajectories: Sequence[Trajectory]) -> list[Float[np.ndarray, "_ D"]]:
    """For each trajectory the states [A, D] that its A actions are predicted from; all are read in one pass."""
    if not trajectories:
        return []
    batch = pad(trajectories)
    hidden_MD = policy.step_logp(batch.tokens_NT, batch.attend_NT, batch.action_NT).hidden_MD
    ends = np.cumsum([int(t.action_T.sum()) for t in trajectories])
    return np.split(hidden_MD.float().cpu().numpy(), ends[:-1])
