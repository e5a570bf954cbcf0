"""Trajectories to rectangles: the one place where lists of different lengths become padded arrays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from steelyard.core.trajectory import Trajectory


@dataclass(frozen=True)
class Padded:
    """N trajectories, right-padded to the longest of T tokens."""

    tokens_NT: Int[Tensor, "N T"]
    attend_NT: Bool[Tensor, "N T"]
    action_NT: Bool[Tensor, "N T"]


def pad(trajectories: Sequence[Trajectory], length: int | None = None) -> Padded:
    """Pad `trajectories` on the right to `length` tokens, by default the longest among them."""
    width = length or max(len(t.tokens_T) for t in trajectories)
    return Padded(
        torch.from_numpy(pad_stack([t.tokens_T for t in trajectories], width, np.int64)),
        torch.from_numpy(pad_stack([np.ones(len(t.tokens_T), bool) for t in trajectories], width, np.bool_)),
        torch.from_numpy(pad_stack([t.action_T for t in trajectories], width, np.bool_)),
    )


def pad_stack(rows: Sequence[np.ndarray], width: int, dtype: type) -> np.ndarray:
    """Rows of different lengths as one zero-padded array [len(rows), width].

    >>> pad_stack([np.array([1, 2]), np.array([3])], 3, np.int64).tolist()
    [[1, 2, 0], [3, 0, 0]]
    """
    out = np.zeros((len(rows), width), dtype)
    for i, row in enumerate(rows):
        out[i, : len(row)] = row
    return out
