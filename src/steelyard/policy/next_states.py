"""The state that a model's next token follows from, of many rows: the last hidden state at each row's last token."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from steelyard.policy.policy import Policy
from steelyard.policy.whole_rows import end_states

_ROWS = 32
"""Rows that are read together."""


@torch.no_grad()
def next_states(policy: Policy, rows: Sequence[Sequence[int]]) -> Float[Tensor, "N D"]:
    """The states, in order. No row may be empty; each counts as a prompt in full, which an intervention asks for."""
    found = []
    for start in range(0, len(rows), _ROWS):
        part = rows[start : start + _ROWS]
        found.append(end_states(policy, part, [len(row) for row in part]))
    return torch.cat(found) if found else torch.zeros(0, policy.hidden_size, device=policy.device)
