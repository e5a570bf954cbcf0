"""Keys and values of the tokens read so far, for a decoder's own forward pass: any attention variant can generate."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad


class KeyValueCache:
    """One pair [heads, N, T, E] for each layer; N rows, T tokens, E head size."""

    def __init__(self) -> None:
        self._layers: dict[int, tuple[Tensor, Tensor]] = {}

    @property
    def length(self) -> int:
        """T: tokens read so far."""
        return self._layers[0][0].shape[2] if self._layers else 0

    def extend(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Append the new tokens' keys and values; returns those of all tokens."""
        if layer in self._layers:
            before_k, before_v = self._layers[layer]
            k = torch.cat((before_k, k), 2)
            v = torch.cat((before_v, v), 2)
        self._layers[layer] = (k, v)
        return k, v

    def batch_select_indices(self, rows: Tensor) -> None:
        """Keep these rows, in this order; named as in transformers' caches."""
        self._layers = {layer: (k[:, rows], v[:, rows]) for layer, (k, v) in self._layers.items()}

    @classmethod
    def gather(cls, parts: Sequence[tuple["KeyValueCache", Tensor]], columns: int) -> "KeyValueCache":
        """Rows of several caches in one of so many columns: the last ones, or all with padding before them."""
        whole = cls()
        for layer in parts[0][0]._layers:
            pairs = zip(*(cache._fitted(layer, rows, columns) for cache, rows in parts), strict=True)
            k, v = (torch.cat(each, 1) for each in pairs)
            whole._layers[layer] = (k, v)
        return whole

    def _fitted(self, layer: int, rows: Tensor, columns: int) -> tuple[Tensor, Tensor]:
        k, v = (x[:, rows] for x in self._layers[layer])
        more = columns - k.shape[2]  # a negative number cuts
        return pad(k, (0, 0, more, 0)), pad(v, (0, 0, more, 0))
