"""The decode step on tensors that never move: one token for each of N rows, at a position of its own.

It computes what `Network.step` computes, for rows that begin at column 0 of the cache: the token at position t writes
column t and attends to columns 0 to t, or to the last of these in a layer with a window.
Shapes: L layers, S rows of the cache, N rows that run, C columns, W columns that are read, H key-value heads, R queries
per key-value head, E head size, V vocabulary.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from steelyard.rollout.network import Network


def fixed_step(
    network: Network,
    cache: Float[Tensor, "L 2 S H C E"],
    tokens_N: Int64[Tensor, "N"],
    positions_N: Int64[Tensor, "N"],
    width: int,
) -> Float[Tensor, "N V"]:
    """Logits after one more token of the first N rows.

    Args:
        network: the model.
        cache: keys and values of the tokens before; those of `tokens_N` are written.
        tokens_N: the tokens that were drawn last.
        positions_N: where they stand in their rows.
        width: W, more than any position of a row that matters.
    """
    num = len(tokens_N)
    row_N = torch.arange(num, device=tokens_N.device)
    x_ND = network.embedding[tokens_N]
    turns = network.rotations(positions_N)
    biases = {window: _bias(positions_N, width, window, network.dtype) for window in {*network.windows}}
    for layer, window, turns_NE, keys_values in zip(network.layers, network.windows, turns, cache, strict=True):
        query, new = network.project(layer, x_ND, turns_NE)
        keys_values[:, row_N, :, positions_N] = new.transpose(0, 1)
        keys, values = keys_values[:, :num, :, :width]
        with _attention(keys):
            found = scaled_dot_product_attention(query, keys, values, attn_mask=biases[window], scale=1.0)
        x_ND = network.conclude(layer, x_ND, found)
    return network.logits(x_ND)


def _bias(
    positions_N: Int64[Tensor, "N"], width: int, window: int | None, dtype: torch.dtype
) -> Float[Tensor, "N 1 1 W"]:
    """0 where a row attends to a column, minus infinity elsewhere."""
    column_W = torch.arange(width, device=positions_N.device)
    seen_NW = column_W <= positions_N[:, None]
    if window is not None:
        seen_NW = seen_NW & (column_W > positions_N[:, None] - window)
    blank_NW = torch.zeros(seen_NW.shape, dtype=dtype, device=seen_NW.device)
    return blank_NW.masked_fill(~seen_NW, -torch.inf)[:, None, None]


@contextmanager
def _attention(keys: Tensor) -> Iterator[None]:
    """On a GPU, the kernel that reads each key once for all its queries, or else plain products."""
    if not keys.is_cuda:
        yield
        return
    from torch.nn.attention import SDPBackend, sdpa_kernel

    with sdpa_kernel([SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]):
        yield
