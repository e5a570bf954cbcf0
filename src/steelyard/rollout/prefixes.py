"""Prompts that running rows share: their keys and values once for all their rows.

The prompts in use are always the first U; one whose last row has ended gives its place to the last.
Shapes: U prompts, W columns, G rows of a prompt at most, N rows.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch

from steelyard.rollout.network import Network, Shared
from steelyard.rollout.prefix_cache import Read


class Prefixes:
    """Room for `size` prompts of `columns` tokens."""

    def __init__(self, network: Network, size: int, columns: int) -> None:
        self._cache = network.blank(size, columns)
        self._bias = torch.zeros(size, columns, device=network.device)
        self._width = columns
        self._prompts: list[tuple[int, ...] | None] = []
        self._shared: Shared | None = None

    def admit(self, prompts: Sequence[tuple[int, ...]], index: Sequence[int], read: Read) -> list[int]:
        """Take the prompts of new rows, but for those that running rows have; returns where each row's prompt is.

        Args:
            prompts: of each row.
            index: where each is among those that were read.
            read: the prompts.
        """
        here = {prompt: place for place, prompt in enumerate(self._prompts) if prompt is not None}
        for prompt, of in zip(prompts, index, strict=True):
            if prompt not in here:
                place = here[prompt] = len(self._prompts)
                blank = self._width - len(prompt)
                unread = read.cache.shape[4] - len(prompt)
                self._cache[:, :, place, :, blank:] = read.cache[:, :, of, :, unread:]
                self._bias[place] = 0
                self._bias[place, :blank] = -math.inf
                self._prompts.append(prompt)
        self._shared = None
        return [here[prompt] for prompt in prompts]

    def seal(self) -> None:
        """Let no new row have a prompt that is here: it was read by weights that are gone."""
        self._prompts = [None] * len(self._prompts)

    def keep(self, prompt_N: np.ndarray) -> None:
        """Give up prompts that none of the running rows has; `prompt_N` is changed to where the others are now."""
        self._shared = None
        for gone in sorted(set(range(len(self._prompts))) - set(prompt_N.tolist()), reverse=True):
            last = len(self._prompts) - 1
            if gone < last:
                self._cache[:, :, gone] = self._cache[:, :, last]
                self._bias[gone] = self._bias[last]
                self._prompts[gone] = self._prompts[last]
                prompt_N[prompt_N == last] = gone
            self._prompts.pop()

    def shared(self, prompt_N: np.ndarray) -> Shared:
        """As the network wants them, for rows with these prompts."""
        if self._shared is None:
            used = len(self._prompts)
            order_N = np.argsort(prompt_N, kind="stable")
            count_U = np.bincount(prompt_N, minlength=used)
            rank_N = np.arange(len(prompt_N)) - np.repeat(np.cumsum(count_U) - count_U, count_U)
            rows_UG = np.zeros((used, count_U.max()), np.int64)
            rows_UG[prompt_N[order_N], rank_N] = order_N
            place_N = np.empty_like(order_N)
            place_N[order_N] = prompt_N[order_N] * rows_UG.shape[1] + rank_N
            rows, place = (torch.from_numpy(x).to(self._bias.device) for x in (rows_UG, place_N))
            # Columns that none of the prompts has are left away.
            first = int((self._bias[:used] < 0).all(0).sum())
            bias = self._bias[:used, first:]
            self._shared = Shared(
                self._cache[:, :, :used, :, first:], bias if bool((bias < 0).any()) else None, rows, place
            )
        return self._shared
