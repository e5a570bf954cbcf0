"""The decode step of the native engine: one token for each of many rows, in as few operations as possible.

It computes what `model.Decoder` computes, from the same `Architecture`, up to rounding, with weights that
`weight_layout` has rearranged. Queries and keys are turned by one product of complex numbers, in place.

A row attends to its own columns of the cache, which come in blocks. Rows with the same prompt may share its keys and
values, which are then stored once and read for all these rows in one product:

    softmax over [q . k of the shared prompt | q . k of each block]

A layer with a sliding window reads only the last columns. Its prompts are shared only where rows are no longer
than the window: in longer ones each row of a prompt sees another part of it.
Shapes: L layers, S rows of the cache of which N run, W columns of a block or a prompt, T of all blocks, D hidden size,
H key-value heads, R queries per key-value head, E head size, V vocabulary; U shared prompts with at most G rows each.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from steelyard.model import Architecture
from steelyard.rollout.projection import Projection
from steelyard.rollout.weight_layout import Layer, Outer, WeightLayout, tensors_of

Part = TypeVar("Part", Layer, Outer)


@dataclass(frozen=True)
class Shared:
    """Keys and values of prompts that several rows share."""

    cache: Float[Tensor, "L 2 U H W E"]
    bias_UW: Float[Tensor, "U W"] | None
    """0 at the prompt's tokens, minus infinity at the padding before them; None where no prompt is padded."""
    rows_UG: Int[Tensor, "U G"]
    """The rows of each prompt, padded with row 0."""
    place_N: Int[Tensor, "N"]
    """The place of each row in the flattened `rows_UG`."""


class Network:
    """The decoder's weights, laid out for decoding.

    Args:
        architecture: of the model; `decodes_natively` must be true.
        device: where to compute.
        dtype: of weights, activations and cache; norms, rotations and logits are float32 whatever it is.
        fixed: as a GPU wants it: newer weights are written over the older ones, and a norm is one operation.
        int8_head: keep the head in 8 bits; see `int8_projection`.
    """

    def __init__(
        self,
        architecture: Architecture,
        device: torch.device,
        dtype: torch.dtype,
        *,
        fixed: bool = False,
        int8_head: bool = False,
    ) -> None:
        self.architecture = architecture
        self.device = device
        self.dtype = dtype
        a = architecture
        self.heads = a.num_kv_heads
        self.queries = a.num_heads // a.num_kv_heads
        self.size = a.head_dim
        self._rules = [*dict.fromkeys(rule for rule in a.rotaries if rule is not None)]
        self._rule = [None if rule is None else self._rules.index(rule) for rule in a.rotaries]
        self._pairs = a.rotary.pairs(a.head_dim)
        self.turns = torch.empty(len(self._rules), 0, self._pairs, dtype=torch.complex64, device=device)
        """Of each different rule of positions, how a pair of dimensions is turned at each position."""
        self._floor = torch.tensor(math.sqrt(a.hidden_size * a.eps), device=device)
        self._fixed = fixed
        scale = 1.0 if fixed else math.sqrt(a.hidden_size)
        self._layout = WeightLayout(a, device, dtype, norm_scale=scale, int8_head=int8_head)
        kernels = [mix.decode_kernel() for mix in a.attention]
        self.windows = [kernel.window for kernel in kernels if kernel is not None]
        assert len(self.windows) == a.num_layers, "a layer's attention has no decode kernel"
        self.layers: list[Layer] = []
        self.moves = 0
        """How often tensors have come to lie elsewhere: weights, at the first time, and rotations."""

    def shares_prompts(self, positions: int) -> bool:
        """True where `step` takes shared prompts for rows of so many tokens: no layer has a narrower window."""
        return all(window is None or positions <= window for window in self.windows)

    def reserve(self, positions: int) -> None:
        """Prepare rotations for rows of up to this many tokens."""
        if positions > self.turns.shape[1]:
            inverse = [rule.inverse_frequencies(self.size) for rule in self._rules]
            steps = torch.arange(positions).float()
            angles = torch.stack([torch.outer(steps, each) for each in inverse] or [torch.zeros(positions, 0)])
            self.turns = torch.polar(torch.ones_like(angles), angles).to(self.device)
            self.moves += 1

    def rotations(self, positions_N: Int[Tensor, "N"]) -> list[Tensor | None]:
        """How each layer turns queries and keys at these positions; None in a layer without positions."""
        turned = [table[positions_N, None] for table in self.turns]
        return [None if rule is None else turned[rule] for rule in self._rule]

    # Weights

    def take(self, weights: Mapping[str, Tensor], same: AbstractSet[str] = frozenset()) -> None:
        """Lay out new weights, named as in `Architecture.shapes`. Everything is copied.

        With `fixed`, later ones are written where the earlier ones are, since captured graphs read them there.

        Args:
            weights: all of them.
            same: names of those that are what they were the last time; parts that have no others are kept.
        """
        first = not self.layers
        olds = [None] * self.architecture.num_layers if first else self.layers
        outer = None if first else self.outer
        layout = self._layout
        self.outer = self._renewed(outer, lambda: layout.outer(weights), layout.outer_names <= same)
        self.layers = [
            self._renewed(old, partial(layout.layer, weights, i), layout.layer_names(weights, i) <= same)
            for i, old in enumerate(olds)
        ]
        self.moves += first or not self._fixed

    def _renewed(self, old: Part | None, make: Callable[[], Part], same: bool) -> Part:
        """A part of newer weights: the old one where it is the same, or where newer tensors are written over it."""
        if old is not None and same:
            return old
        new = make()
        if old is None or not self._fixed:
            return new
        for own, other in zip(tensors_of(old), tensors_of(new), strict=True):
            own.copy_(other)
        return old

    @property
    def embedding(self) -> Float[Tensor, "V D"]:
        """Tokens to their first hidden states."""
        return self.outer.embedding

    # Tokens

    def blank(self, rows: int, columns: int) -> Float[Tensor, "L 2 N H W E"]:
        """An empty cache of keys and values for every layer."""
        shape = (self.architecture.num_layers, 2, rows, self.heads, columns, self.size)
        return torch.zeros(shape, dtype=self.dtype, device=self.device)

    def step(
        self,
        tokens_N: Int[Tensor, "N"],
        positions_N: Int[Tensor, "N"],
        window: Sequence[Tensor],
        bias_NT: Float[Tensor, "N T"] | None,
        shared: Shared | None,
    ) -> Float[Tensor, "N V"]:
        """Logits after one more token of the first N rows of the cache.

        Args:
            tokens_N: the tokens that were drawn last.
            positions_N: their positions in their rows.
            window: the columns of the cache that rows attend to, in blocks [L, 2, S, H, W, E] of some W; the last
                column belongs to `tokens_N` and is written here.
            bias_NT: 0 where a row attends to a column, minus infinity elsewhere; None where all attend to all.
            shared: prompts that stand before the columns; None where prompts are in the columns.
        """
        x_ND = self.embedding[tokens_N]
        turns = self.rotations(positions_N)
        bias = None if bias_NT is None else bias_NT[:, None, None]
        for i, layer in enumerate(self.layers):
            query, new = self.project(layer, x_ND, turns[i])
            blocks = [block[i, :, : len(x_ND)] for block in window]
            blocks[-1][:, :, :, -1] = new
            blocks = _last_columns(blocks, self.windows[i])
            score = [query @ block[0].transpose(-1, -2) for block in blocks]
            own = score[0] if len(score) == 1 else torch.cat(score, -1)
            own = own if bias is None else own.add_(bias[..., -own.shape[-1] :])
            if shared is None:
                found = _weighed(torch.softmax(own, -1), blocks)
            else:
                found = _attend_both(query, own, blocks, shared, i)
            x_ND = self.conclude(layer, x_ND, found)
        return self.logits(x_ND)

    def read(
        self, tokens_NT: Int[Tensor, "N T"], attend_NT: Bool[Tensor, "N T"]
    ) -> tuple[Float[Tensor, "N V"], Float[Tensor, "L 2 N H T E"]]:
        """Prefill: logits after left-padded prompts, and the prompts' keys and values."""
        N, T = tokens_NT.shape
        positions_NT = (attend_NT.cumsum(1) - 1).clamp(min=0)
        x_MD = self.embedding[tokens_NT.flatten()]
        turns = self.rotations(positions_NT.flatten())
        allowed = {window: _allowed(attend_NT, window) for window in {*self.windows}}
        made = self.blank(N, T)
        for i, layer in enumerate(self.layers):
            query, new = self.project(layer, x_MD, turns[i])
            made[i] = new.unflatten(1, (N, T)).transpose(2, 3)
            query = query.flatten(1, 2).unflatten(0, (N, T)).transpose(1, 2)
            found = functional.scaled_dot_product_attention(
                query, made[i, 0], made[i, 1], allowed[self.windows[i]], scale=1.0, enable_gqa=self.queries > 1
            ).transpose(1, 2)
            if i + 1 == len(self.layers):  # only the logits after the last token are needed
                x_MD = x_MD.unflatten(0, (N, T))[:, -1].contiguous()
                found = found[:, -1:]
            x_MD = self.conclude(layer, x_MD, found.reshape(len(x_MD), -1))
        return self.logits(x_MD), made

    def project(self, layer: Layer, x_ND: Tensor, turns_NE: Tensor | None) -> tuple[Tensor, Tensor]:
        """Queries [N, H, R, E], and the new keys and values [2, N, H, E]."""
        norms = self.architecture.norms
        x_ND = x_ND if norms.before_attention is None else self._normed(x_ND)
        fused = layer.qkv.plain(x_ND).unflatten(1, (-1, self.size))
        num = self.heads * self.queries
        turning = fused[:, : num + self.heads]
        if layer.gains is not None:
            turning.copy_(self._heads_normed(turning.float(), num) * layer.gains)
        if turns_NE is not None:
            self._turn(turning[..., : 2 * self._pairs], turns_NE)
        new = fused[:, num:].unflatten(1, (2, self.heads)).transpose(0, 1)
        return fused[:, :num].unflatten(1, (self.heads, self.queries)), new

    def _heads_normed(self, heads_NHE: Tensor, num: int) -> Tensor:
        """The first `num` heads, which are queries, and the keys behind them, without their gains."""
        eps = self.architecture.eps
        if not self.architecture.qk_norm_whole:
            return functional.rms_norm(heads_NHE, (self.size,), eps=eps)
        parts = (heads_NHE[:, :num], heads_NHE[:, num:])
        return torch.cat([functional.rms_norm(part, part.shape[1:], eps=eps) for part in parts], 1)

    def _turn(self, heads_NHE: Tensor, turns_NE: Tensor) -> None:
        """Multiply pairs of dimensions by complex numbers, in place."""
        if self.dtype == torch.float32:
            torch.view_as_complex(heads_NHE.unflatten(-1, (-1, 2))).mul_(turns_NE)
        else:
            turned = torch.view_as_complex(heads_NHE.float().unflatten(-1, (-1, 2))) * turns_NE
            heads_NHE.copy_(torch.view_as_real(turned).flatten(-2))

    def conclude(self, layer: Layer, x_ND: Tensor, found: Tensor) -> Tensor:
        """The layer after its attention: output projection, feed-forward part, and both residual additions."""
        x_ND = self._added(x_ND, layer.out, found.flatten(1), layer.after_attention)
        normed_ND = x_ND if self.architecture.norms.before_mlp is None else self._normed(x_ND)
        gate = layer.gate.silu if self.architecture.activation == "silu" else layer.gate.gelu
        return self._added(x_ND, layer.down, layer.up.times(normed_ND, gate(normed_ND)), layer.after_mlp)

    def _added(self, x_ND: Tensor, last: Projection, inner: Tensor, gain_D: Tensor | None) -> Tensor:
        """x + last(inner), or with a norm x + gain norm(last(inner))."""
        if gain_D is None:
            return last.plus(inner, x_ND)
        return torch.addcmul(x_ND, self._normed(last.plain(inner)), gain_D)

    def _normed(self, x_ND: Tensor) -> Tensor:
        if self._fixed:
            return functional.rms_norm(x_ND, x_ND.shape[1:], eps=self.architecture.eps)
        length_N = torch.linalg.vector_norm(x_ND, dim=1, keepdim=True, dtype=torch.float32)
        return (x_ND / torch.hypot(length_N, self._floor)).to(self.dtype)

    def logits(self, x_ND: Tensor) -> Tensor:
        """Logits after the last layer."""
        return self.outer.head.plain(self._normed(x_ND)).float()


def _last_columns(blocks: list[Tensor], window: int | None) -> list[Tensor]:
    """Views of the last `window` columns of blocks [2, N, H, W, E]; all of them without a window."""
    if window is None:
        return blocks
    kept: list[Tensor] = []
    for block in reversed(blocks):
        if window <= 0:
            break
        kept.append(block[..., -window:, :])
        window -= block.shape[3]
    return kept[::-1]


def _allowed(attend_NT: Bool[Tensor, "N T"], window: int | None) -> Bool[Tensor, "N 1 T T"]:
    """Which positions [query, key] attend to each other in a prefill."""
    T = attend_NT.shape[1]
    earlier = torch.ones(T, T, dtype=torch.bool, device=attend_NT.device).tril()
    if window is not None:
        earlier = earlier.triu(1 - window)
    allowed = attend_NT[:, None, None] & earlier
    # A padded position attends to itself, so that no row of scores is empty.
    return allowed | torch.eye(T, dtype=torch.bool, device=attend_NT.device)


def _weighed(share: Float[Tensor, "N H R T"], blocks: Sequence[Tensor]) -> Float[Tensor, "N H R E"]:
    """The blocks' values, averaged with these weights."""
    parts = share.split([block.shape[3] for block in blocks], -1)
    found = parts[0] @ blocks[0][1]
    for part, block in zip(parts[1:], blocks[1:], strict=True):
        found += part @ block[1]
    return found


def _attend_both(query: Tensor, own: Tensor, blocks: Sequence[Tensor], shared: Shared, layer: int) -> Tensor:
    """Attention of rows to their shared prompts and their own columns together, [N, H, R, E].

    Args:
        query: [N, H, R, E].
        own: scores of the rows' own columns [N, H, R, T].
        blocks: keys and values of those columns.
        shared: the prompts.
        layer: index of the layer.
    """
    keys, values = shared.cache[layer]
    score = _to_prompts(query, shared) @ keys.transpose(-1, -2)
    score = score if shared.bias_UW is None else score.add_(shared.bias_UW[:, None, None])
    width = score.shape[-1]
    queries = own.shape[2]
    share = torch.softmax(torch.cat([_to_rows(score, shared, queries), own], -1), -1)
    prompt = _to_prompts(share[..., :width], shared) @ values
    return _to_rows(prompt, shared, queries).add_(_weighed(share[..., width:], blocks))


def _to_prompts(rows: Float[Tensor, "N H R X"], shared: Shared) -> Float[Tensor, "U H GR X"]:
    (U, G) = shared.rows_UG.shape
    (_, H, R, X) = rows.shape
    gathered = rows.reshape(len(rows), -1)[shared.rows_UG.flatten()].view(U, G, H, R, X)
    return gathered.transpose(1, 2).reshape(U, H, G * R, X)


def _to_rows(prompts: Float[Tensor, "U H GR X"], shared: Shared, queries: int) -> Float[Tensor, "N H R X"]:
    (U, G) = shared.rows_UG.shape
    X = prompts.shape[-1]
    flat = prompts.view(U, -1, G, queries, X).transpose(1, 2).reshape(U * G, -1)
    return flat[shared.place_N].view(len(shared.place_N), -1, queries, X)
