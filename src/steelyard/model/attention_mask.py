"""Which keys each query may see, by their positions: causal or not, within a window or not, without padding.

    distance = position of the query - position of the key
    a key is hidden from a query if  distance < 0 (causal),  |distance| >= window,  or it is padding and not itself

N rows, X queries, Y keys. A mask is made once for a forward pass, and all layers share it.
"""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from steelyard.model.positions import Rotary, rotate, rotation_of


class AttentionMask:
    """Positions of queries and keys, and the masks that follow from them.

    Args:
        queries: positions [N, X], or [1, X] where all rows have the same.
        keys: positions [N, Y] or [1, Y].
        real: false at padding [N, Y]; None where nothing that a query could see is padding.
        dtype: of the masks: that of the scores.
        causal: later keys are hidden.
        rotary: the model's rule for angles, for variants that turn queries and keys themselves.
    """

    def __init__(
        self,
        queries: Int[Tensor, "#N X"],
        keys: Int[Tensor, "#N Y"],
        real: Bool[Tensor, "#N Y"] | None,
        dtype: torch.dtype,
        *,
        causal: bool = True,
        rotary: Rotary | None = None,
    ) -> None:
        self.queries = queries
        self.keys = keys
        self.real = real
        self.dtype = dtype
        self.causal = causal
        self.rotary = rotary
        self.lower_triangular = False
        """The mask of full attention is the causal one of a square, which fused kernels know without reading it."""
        self._biases: dict[int | None, Tensor] = {}

    @classmethod
    def of_rows(
        cls,
        attention_mask: Int[Tensor, "N T"] | None,
        steps: int,
        like: Tensor,
        *,
        before: int = 0,
        rotary: Rotary | None = None,
    ) -> "AttentionMask":
        """The causal mask of rows that are padded on either side.

        Args:
            attention_mask: 0 at padding; None where there is none.
            steps: T, tokens in a row, of which the last T - `before` ask.
            like: a tensor of the scores' type and device.
            before: columns whose keys are cached.
            rotary: the model's rule for angles.
        """
        columns = torch.arange(steps, device=like.device)[None]
        # Padding on the right comes later than all that is asked for, so no query sees it.
        right = attention_mask is None or not bool((attention_mask[:, 1:] > attention_mask[:, :-1]).any())
        real = None if right or attention_mask is None else attention_mask.bool()
        made = cls(columns[:, before:], columns, real, like.dtype, rotary=rotary)
        made.lower_triangular = right and before == 0
        return made

    @classmethod
    def bidirectional(cls, attention_mask: Int[Tensor, "N T"], like: Tensor) -> "AttentionMask":
        """Every token sees every other of its row, but for padding."""
        columns = torch.arange(attention_mask.shape[1], device=like.device)[None]
        return cls(columns, columns, attention_mask.bool(), like.dtype, causal=False)

    def turn(self, x: Float[Tensor, "heads N S E"], positions: Int[Tensor, "#N S"]) -> Float[Tensor, "heads N S E"]:
        """Queries or keys with rotary positions: for `Mix.turns_itself`, with `queries` or `keys` or others.

        Raises:
            ValueError: nobody said by which rule.
        """
        if self.rotary is None:
            raise ValueError("this mask was made without a rotary rule")
        inverse = self.rotary.inverse_frequencies(x.shape[-1]).to(x.device)
        rotation = rotation_of(positions, inverse, x.shape[0], x.dtype)
        return rotate(x.permute(1, 2, 0, 3), rotation).permute(2, 0, 1, 3)

    def distance(self) -> Int[Tensor, "#N X Y"]:
        """How many positions each key lies before each query."""
        return self.queries[:, :, None] - self.keys[:, None]

    def bias(self, window: int | None = None) -> Float[Tensor, "1 #N X Y"]:
        """0 where a query sees a key, minus infinity elsewhere: to be added to the scores of every head.

        With a window, a query sees the keys less than `window` positions away.
        """
        if window not in self._biases:
            distance = self.distance()
            hidden = distance < 0 if self.causal else torch.zeros_like(distance, dtype=torch.bool)
            if window is not None:
                hidden = hidden | (distance.abs() >= window)
            if self.real is not None:
                # A token always sees itself: a softmax over nothing is not a number.
                hidden = hidden | (~self.real[:, None] & (distance != 0))
            blank = torch.zeros(hidden.shape, dtype=self.dtype, device=hidden.device)
            self._biases[window] = blank.masked_fill(hidden, -math.inf)[None]
        return self._biases[window]
