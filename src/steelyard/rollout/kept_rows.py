"""Rows of caches of keys and values, taken from where they are and put together in a cache of their own.

Rows end at the last column, so a row that is shorter than the longest has padding before it. Columns that are padding
in all rows are not kept: a cache is as wide as its longest row. Shapes: N rows, H heads, T columns, E head size.
"""

from collections.abc import Sequence
from copy import copy
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import pad

from steelyard.model.key_value_cache import KeyValueCache

Part = tuple[Any, Int64[Tensor, "_"]]
"""A cache, of the package or of transformers, and which of its rows are taken; one may be named several times."""


def gather(parts: Sequence[Part], columns: int) -> Any:
    """A new cache of these rows, in this order, with so many columns: as many as its longest row has tokens."""
    first = parts[0][0]
    if isinstance(first, KeyValueCache):
        return KeyValueCache.gather(parts, columns)
    whole = copy(first)
    whole.layers = [_layer([(cache.layers[i], rows) for cache, rows in parts], columns) for i in range(len(first))]
    return whole


def gathers(cache: Any) -> bool:
    """True where a cache keeps nothing that `gather` does not know."""
    from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

    known = (DynamicLayer, DynamicSlidingWindowLayer)
    return isinstance(cache, KeyValueCache) or all(type(layer) in known for layer in cache.layers)


def _layer(parts: Sequence[Part], columns: int) -> Any:
    whole = copy(parts[0][0])
    if not whole.is_initialized:  # a layer that uses the keys of another
        return whole
    # A layer with a window holds its last columns alone; the longest row is in one that holds enough of them.
    width = min(columns, max(layer.keys.shape[2] for layer, _ in parts))
    whole.keys = torch.cat([_fitted(layer.keys[rows], width) for layer, rows in parts])
    whole.values = torch.cat([_fitted(layer.values[rows], width) for layer, rows in parts])
    if whole.is_sliding:
        whole.cumulative_length = columns
    return whole


def _fitted(x: Float[Tensor, "N H T E"], width: int) -> Float[Tensor, "N H W E"]:
    """The last columns, or all with padding before them."""
    return pad(x, (0, 0, width - x.shape[2], 0))  # a negative number cuts
