"""What is saved is loaded again and compared with what was trained, before anybody is told that it is done.

    apart = mean over places of 1/2 sum_v |p(v) - q(v)|

p and q are the next-token distributions of the two after the same random tokens: 4 rows of up to 16. Unmerged adapters
are computed in another order than merged weights, and in bfloat16 the merged weights are rounded; so a small
difference is allowed.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from steelyard.core import FaultError

LogProbabilities = Callable[[Int[Tensor, "N T"]], Float[Tensor, "N T V"]]
"""Tokens -> log-probabilities of all next tokens."""


def most_apart(dtype: torch.dtype, *, merged: bool = False) -> float:
    """The largest mean total variation that is allowed, by the number format of the weights.

    Args:
        dtype: of the weights.
        merged: adapters were added into the weights, and what came out was rounded to `dtype`.
    """
    if dtype.itemsize >= torch.float32.itemsize:
        return 1e-3
    return 0.05 if merged else 0.01


def probe_tokens(vocabulary: int, context: int) -> Int[Tensor, "N T"]:
    """Random tokens, the same ones at each call."""
    draw = torch.Generator().manual_seed(0)
    return torch.randint(vocabulary, (4, max(1, min(16, context))), generator=draw)


def apart(logp_NTV: Float[Tensor, "N T V"], others_NTV: Float[Tensor, "N T V"]) -> float:
    """The mean total variation between two sets of next-token distributions, from 0 to 1."""
    return float((logp_NTV.exp() - others_NTV.exp()).abs().sum(-1).mean() / 2)


def check_same(
    trained: LogProbabilities, saved: LogProbabilities, tokens_NT: Int[Tensor, "N T"], most: float, path: Path
) -> None:
    """Compare a model with what was loaded from where it was saved.

    Args:
        trained: of the model.
        saved: of what was loaded.
        tokens_NT: what both read.
        most: how far they may be apart.
        path: where it was saved.

    Raises:
        FaultError: they are further apart.
    """
    found = apart(trained(tokens_NT), saved(tokens_NT))
    if not found <= most:
        what = f"its next tokens differ by {found:.2g} in total variation, and {most:g} is allowed"
        hint = "the run's checkpoints hold what was trained; train another kind of model or of adapters"
        raise FaultError(f"is not the model that was trained: {what}", where=str(path), hint=hint)
