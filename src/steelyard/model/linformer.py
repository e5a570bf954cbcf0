"""Linformer: keys and values are projected along the length, so an encoder's cost is linear in it.

Differs: rotary positions, where the paper's encoder has learnt absolute ones: keys are turned before they are
projected. One E and one F serve all heads of a layer, as in a public copy of the authors' code. Unconfirmed: that a
shorter text uses the first columns of E.

    out = softmax(Q (E K)^T / sqrt(d)) (F V),   E, F [k, n] learnt, without bias;   k = floor(n / compression)

n is the longest text and d the size of a head; keys and values at padding are 0. A text of T tokens uses the first T
columns. E and F begin as Xavier's uniform law with gain 1 / sqrt(2). There is no causal form: E mixes all positions.
Shapes: H heads, N rows, T tokens, E head size.
Source: Wang et al. 2020, arXiv:2006.04768.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from steelyard.core import method, require
from steelyard.core.limits import PositiveInt
from steelyard.model.attention_mask import AttentionMask
from steelyard.model.encoder_attention import Carried, EncoderAttention, LayerSizes, SelfAttention
from steelyard.model.positions import Rotation


@method("linformer", paper="arXiv:2006.04768", claim="linear time and memory, on par with full attention")
@dataclass(frozen=True)
class Linformer(EncoderAttention):
    """Settings of the projections."""

    compression: PositiveInt = 4
    """How many tokens of the longest text come to one projected key."""
    shared: Literal["none", "values", "layers"] = "none"
    """What else uses the projection of keys: nothing, the values (F = E), or these and all later layers."""
    frozen: bool = False
    """Leave the projections as they were drawn."""

    def build(self, sizes: LayerSizes) -> "LinformerAttention":
        """The module of one layer.

        Raises:
            SteelyardError: a text is shorter than what makes one projected key.
        """
        what = f"is {self.compression}, and the longest text has {sizes.context_length} tokens"
        hint = "use fewer"
        require(self.compression <= sizes.context_length, what, where="linformer.compression", hint=hint)
        return LinformerAttention(sizes, self)


class LinformerAttention(SelfAttention):
    """Self-attention over projected keys and values."""

    def __init__(self, sizes: LayerSizes, settings: Linformer) -> None:
        super().__init__(sizes)
        self.longest = sizes.context_length
        self.hands_on = settings.shared == "layers"
        shape = (sizes.context_length // settings.compression, sizes.context_length)
        if sizes.layer == 0 or not self.hands_on:
            self.key_projection = nn.Parameter(torch.zeros(shape), requires_grad=not settings.frozen)
        if settings.shared == "none":
            self.value_projection = nn.Parameter(torch.zeros(shape), requires_grad=not settings.frozen)

    @torch.no_grad()
    def draw(self, generator: torch.Generator) -> None:
        """Draw the projections."""
        for name in ("key_projection", "value_projection"):
            if hasattr(self, name):
                nn.init.xavier_uniform_(getattr(self, name), gain=2**-0.5, generator=generator)

    def forward(
        self, x_NTD: Float[Tensor, "N T D"], rotation: Rotation, mask: AttentionMask, carried: Carried
    ) -> tuple[Float[Tensor, "N T D"], Carried]:
        """What is added to the tokens; with one projection for all layers, it is carried from the first.

        Raises:
            SteelyardError: a text is longer than the projections.
        """
        steps = x_NTD.shape[1]
        what = f"a text has {steps} tokens, and the projections are for {self.longest}"
        require(steps <= self.longest, what, where="linformer", hint="cut the text, or train with a longer context")
        keys_SN = self.key_projection if carried is None else carried["projection"]
        values_SN = getattr(self, "value_projection", keys_SN)
        q, k, v = self.project(x_NTD, rotation)
        k, v = (self._projected(x, of, mask) for x, of in ((k, keys_SN), (v, values_SN)))
        weight = (q @ k.transpose(2, 3) * q.shape[-1] ** -0.5).softmax(-1)
        return self.join(weight @ v), {"projection": keys_SN} if self.hands_on else None

    def _projected(
        self, x: Float[Tensor, "H N T E"], projection: Float[Tensor, "S L"], mask: AttentionMask
    ) -> Float[Tensor, "H N S E"]:
        """Keys or values, projected along the length; those at padding count as 0."""
        if mask.real is not None:
            x = x.masked_fill(~mask.real[None, :, :, None], 0.0)
        return projection[:, : x.shape[2]] @ x
