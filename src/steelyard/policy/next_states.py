"""The state that a model's next token follows from, of many rows: the last hidden state at each row's last token."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from steelyard.policy.policy import Policy
from steelyard.policy.whole_rows import read_rows

_ROWS = 32
"""Rows that are read together."""


@torch.no_grad()
def next_states(policy: Policy, rows: Sequence[Sequence[int]]) -> Float[Tensor, "N D"]:
    """The states, in order. No row may be empty; each counts as a prompt in full, which an intervention asks for."""
    found = []
    for start in range(0, len(rows), _ROWS):
        part = rows[start : start + _ROWS]
        hidden_NTD, length_N = read_rows(policy, part, [len(row) for row in part])
        found.append(hidden_NTD[torch.arange(len(part), device=hidden_NTD.device), length_N - 1])
    return torch.cat(found) if found else torch.zeros(0, policy.hidden_size, device=policy.device)
