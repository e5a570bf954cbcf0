"""Prefix sharing: hidden states of rows that share prompts, where each prompt is computed once.

    stream = prompt_1 .. prompt_P | rest_1 .. rest_R,   all tokens in one sequence without padding
    a token of a prompt sees its prompt up to itself; a token of a rest also sees the whole prompt of its row

A row's prompt ends before its first action; equal prompts are one prompt, wherever their rows stand, and so are equal
rests of one prompt: a policy that knows its answer gives the same one many times. The last action of a row is not fed
in, since nothing is predicted from it, so rows that differ in it alone share their rest. Everything but attention runs
on the stream. For attention, queries, keys and values are gathered into two padded rectangles, and any attention
variant mixes them there. Masks hide the padding, and no gradient comes out of it, so the result is that of padded rows.
Shapes: N rows, T steps, P prompts, R different rests, S tokens in the stream, D hidden size, M actions.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.autograd.function import Function

from steelyard.model import AttentionMask, Decoder, Rotary


def shared_states(
    decoder: Decoder, tokens_NT: Int[Tensor, "N T"], attend_NT: Bool[Tensor, "N T"], action_NT: Bool[Tensor, "N T"]
) -> tuple[Float[Tensor, "M D"], Float[Tensor, "N D"]] | None:
    """Hidden states that precede the actions, row by row, and each row's mean over its prompt.

    None where rows are not padded on the right, or one has nothing before its first action.
    """
    rows = _Rows.of(tokens_NT, attend_NT, action_NT)
    if rows is None:
        return None
    stream = _Stream.of(rows)

    def here(array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(decoder.like.device)

    hidden_SD = decoder.hidden(here(stream.tokens_S), here(stream.positions_S), _StreamLayout(stream, decoder))
    prompts_SD = hidden_SD[: stream.length_P.sum()].float()
    prompt_PD = torch.segment_reduce(prompts_SD, "mean", lengths=here(stream.length_P), axis=0)
    return hidden_SD.index_select(0, here(stream.source_M)), prompt_PD.index_select(0, here(rows.prompt_N))


@dataclass(frozen=True)
class _Rows:
    """Where each row's prompt and rest end, and which rows share them."""

    tokens_NT: np.ndarray
    action_NT: np.ndarray
    start_N: np.ndarray
    """Length of the prompt."""
    end_N: np.ndarray
    """Where the rest ends: before the last action."""
    prompt_N: np.ndarray
    """The index of its prompt."""
    first_P: np.ndarray
    """The first row that has the prompt."""
    rest_N: np.ndarray
    """The index of its prompt and rest."""
    first_R: np.ndarray
    """The first row that has the prompt and the rest, which may be empty."""

    @classmethod
    def of(cls, tokens: Tensor, attend: Tensor, action: Tensor) -> "_Rows | None":
        tokens_NT, attend_NT, action_NT = (x.cpu().numpy() for x in (tokens, attend, action))
        T = tokens_NT.shape[1]
        length_N = attend_NT.sum(1)
        some_N = action_NT.any(1)
        start_N = np.where(some_N, action_NT.argmax(1), length_N)
        end_N = np.where(some_N, T - 1 - action_NT[:, ::-1].argmax(1), length_N)
        right = bool((attend_NT[:, 1:] <= attend_NT[:, :-1]).all())
        if not right or not len(start_N) or start_N.min() == 0:
            return None
        prompt_N, first_P = _same([row[:start].tobytes() for row, start in zip(tokens_NT, start_N, strict=True)])
        whole = [row[:end].tobytes() for row, end in zip(tokens_NT, end_N, strict=True)]
        rest_N, first_R = _same([*zip(prompt_N.tolist(), whole, strict=True)])
        return cls(tokens_NT, action_NT, start_N, end_N, prompt_N, first_P, rest_N, first_R)


def _same(keys: Sequence[Hashable]) -> tuple[np.ndarray, np.ndarray]:
    """The number of each key, equal keys having one, and where each number stands first."""
    known: dict[Hashable, int] = {}
    number_N = np.array([known.setdefault(key, len(known)) for key in keys])
    return number_N, np.unique(number_N, return_index=True)[1]


@dataclass(frozen=True)
class _Stream:
    """The tokens in one sequence, and the place of each in the rectangles of prompts and rests."""

    tokens_S: np.ndarray
    positions_S: np.ndarray
    prompt_PL: np.ndarray
    """Places of the prompts' tokens in the stream; -1 where a prompt is shorter than L."""
    rest_RL: np.ndarray
    """Likewise of the rests' tokens."""
    prompt_R: np.ndarray
    length_P: np.ndarray
    source_M: np.ndarray
    """The token that each action follows."""

    @classmethod
    def of(cls, rows: _Rows) -> "_Stream":
        T = rows.tokens_NT.shape[1]
        length_P = rows.start_N[rows.first_P]
        length_R = (rows.end_N - rows.start_N)[rows.first_R]
        some = rows.first_R[length_R > 0]
        steps_T = np.arange(T)
        of_prompts = steps_T < length_P[:, None]
        of_rests = (steps_T >= rows.start_N[some, None]) & (steps_T < rows.end_N[some, None])
        positions = [np.broadcast_to(steps_T, mask.shape)[mask] for mask in (of_prompts, of_rests)]
        tokens = [rows.tokens_NT[rows.first_P][of_prompts], rows.tokens_NT[some][of_rests]]
        # Actions follow the token before them: the prompt's last, or one of the rest.
        row_M, step_M = np.nonzero(rows.action_NT)
        begin_P = _begins(length_P)
        begin_N = (length_P.sum() + _begins(length_R))[rows.rest_N]
        prompt_M = rows.prompt_N[row_M]
        back_M = step_M - 1 - rows.start_N[row_M]
        source_M = np.where(back_M < 0, begin_P[prompt_M] + length_P[prompt_M] - 1, begin_N[row_M] + back_M)
        rest_RL = _places(length_R[length_R > 0], begin=int(length_P.sum()))
        return cls(
            np.concatenate(tokens),
            np.concatenate(positions),
            _places(length_P),
            rest_RL,
            rows.prompt_N[some],
            length_P,
            source_M,
        )


def _begins(length_X: np.ndarray) -> np.ndarray:
    return np.cumsum(length_X) - length_X


def _places(length_X: np.ndarray, begin: int = 0) -> np.ndarray:
    """Place [X, L] of every token of X pieces that stand one after another; -1 behind a piece's end."""
    steps_L = np.arange(int(length_X.max(initial=0)))
    return np.where(steps_L < length_X[:, None], begin + _begins(length_X)[:, None] + steps_L, -1)


class _StreamLayout:
    """Attention over a stream, in two rectangles: prompts [P, L], and rests [R, L'] with their prompts before them."""

    def __init__(self, stream: _Stream, decoder: Decoder) -> None:
        like = decoder.like
        a = decoder.architecture
        self.attention = a.attention
        self.heads = a.num_heads
        self.kv_heads = a.num_kv_heads
        (self.P, self.L) = stream.prompt_PL.shape
        (self.R, self.rest) = stream.rest_RL.shape
        places = [stream.prompt_PL.ravel(), stream.rest_RL.ravel()]
        self.enter = _Exchange.of(places, a.num_heads + 2 * a.num_kv_heads, like.device)
        self.leave = _Exchange.of(places, a.num_heads, like.device)
        self.spread = _Spread.of(stream.prompt_R, len(stream.length_P), a.num_kv_heads, like.device)
        self.prompt_mask = AttentionMask.of_rows(None, self.L, like, rotary=a.rotary)
        self.rest_mask = _rest_mask(stream, like, a.rotary)

    def __call__(
        self, layer: int, q: Float[Tensor, "S H E"], k: Float[Tensor, "S K E"], v: Float[Tensor, "S K E"]
    ) -> Float[Tensor, "S H E"]:
        """The layer's attention."""
        mix = self.attention[layer]
        heads = (self.heads, self.kv_heads, self.kv_heads)
        C = sum(heads)
        E = q.shape[2]
        placed = self.enter.fill(torch.cat((q, k, v), 1).view(-1, E))
        prompts, rests = placed.split((C * self.P * self.L, C * self.R * self.rest))
        q, k, v = prompts.view(C, self.P, self.L, E).split(heads)
        heard = [mix(q, k, v, self.prompt_mask).reshape(-1, E)]
        if self.R:
            q, *own = rests.view(C, self.R, self.rest, E).split(heads)
            before = (self.spread(x.reshape(-1, self.L * E)).view(self.kv_heads, self.R, self.L, E) for x in (k, v))
            k, v = (torch.cat(parts, 2) for parts in zip(before, own, strict=True))
            heard.append(mix(q, k, v, self.rest_mask).reshape(-1, E))
        return self.leave.read(torch.cat(heard)).view(-1, self.heads, E)


def _rest_mask(stream: _Stream, like: Tensor, rotary: Rotary) -> AttentionMask:
    """Rests see their prompt, which is padded on the right, and themselves up to the query."""
    (R, rest) = stream.rest_RL.shape
    real_RL = stream.prompt_PL[stream.prompt_R] >= 0
    own_RX = stream.length_P[stream.prompt_R][:, None] + np.arange(rest)
    prompt_RL = np.where(real_RL, np.arange(real_RL.shape[1]), -1)  # no query is at -1, so padding is no query's own
    keys_RY = np.concatenate((prompt_RL, own_RX), 1)
    real_RY = np.concatenate((real_RL, np.ones((R, rest), bool)), 1)
    queries, keys, real = (torch.from_numpy(x).to(like.device) for x in (own_RX, keys_RY, real_RY))
    return AttentionMask(queries, keys, real, like.dtype, rotary=rotary)


@dataclass(frozen=True)
class _Exchange:
    """Moves rows of E numbers between a stream [S, C, E] of C heads and the rectangles [C, X, E], laid end to end."""

    row_Y: Int[Tensor, "Y"]
    """The row of the stream at each place of the rectangles; the number of rows at padding."""
    place_Z: Int[Tensor, "Z"]
    """The place of each row of the stream."""

    @classmethod
    def of(cls, places: Sequence[np.ndarray], heads: int, device: torch.device) -> "_Exchange":
        head_C = np.arange(heads)[:, None]
        row_Y = np.concatenate([np.where(row_X < 0, -1, row_X * heads + head_C).ravel() for row_X in places])
        (at,) = np.nonzero(row_Y >= 0)
        place_Z = np.empty(len(at), np.int64)
        place_Z[row_Y[at]] = at
        row_Y[row_Y < 0] = len(at)
        return cls(torch.from_numpy(row_Y).to(device), torch.from_numpy(place_Z).to(device))

    def fill(self, x: Float[Tensor, "Z E"]) -> Float[Tensor, "Y E"]:
        """The rectangles. Padding slots hold arbitrary values; attention masks them."""
        return _Take.apply(x, self.row_Y.clamp(max=len(self.place_Z) - 1), self.place_Z[None], False)  # pyright: ignore[reportReturnType]

    def read(self, y: Float[Tensor, "Y E"]) -> Float[Tensor, "Z E"]:
        """The stream."""
        return _Take.apply(y, self.place_Z, self.row_Y[None], True)  # pyright: ignore[reportReturnType]


@dataclass(frozen=True)
class _Spread:
    """Copies the keys or values of P prompts to the R rows that share them, for C heads: [C P, D] -> [C R, D]."""

    source_Y: Int[Tensor, "Y"]
    copies_GZ: Int[Tensor, "G Z"]
    """Where each of its copies went; Y in place of a copy that it does not have."""
    ragged: bool

    @classmethod
    def of(cls, prompt_R: np.ndarray, P: int, heads: int, device: torch.device) -> "_Spread":
        R = len(prompt_R)
        count_P = np.bincount(prompt_R, minlength=P)
        order = np.argsort(prompt_R, kind="stable")
        copies_GP = np.full((int(count_P.max(initial=1)), P), -1)
        copies_GP[np.arange(R) - _begins(count_P)[prompt_R[order]], prompt_R[order]] = order
        head_C = np.arange(heads)[:, None]
        source_Y = (head_C * P + prompt_R).ravel()
        copies = np.where(copies_GP[:, None] < 0, heads * R, head_C * R + copies_GP[:, None])
        found = torch.from_numpy(copies.reshape(len(copies_GP), -1))
        return cls(torch.from_numpy(source_Y).to(device), found.to(device), bool((copies_GP < 0).any()))

    def __call__(self, x: Float[Tensor, "Z D"]) -> Float[Tensor, "Y D"]:
        """The copies."""
        return _Take.apply(x, self.source_Y, self.copies_GZ, self.ragged)  # pyright: ignore[reportReturnType]


class _Take(Function):
    """x[index] with a backward pass that gathers, too: row z was copied to the places inverse[:, z].

    With `holes`, `inverse` may name the place after the last, whose gradient is 0. There are no atomic additions, so
    two runs agree to the last bit.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, index: Tensor, inverse: Tensor, holes: bool) -> Tensor:
        """See the class."""
        ctx.inverse = inverse
        ctx.holes = holes
        return x.index_select(0, index)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None, None]:
        """See the class."""
        (grad,) = grad_outputs
        if ctx.holes:
            grad = torch.cat((grad, grad.new_zeros(1, grad.shape[1])))
        found = grad.index_select(0, ctx.inverse.flatten())
        parts = len(ctx.inverse)
        return (found if parts == 1 else found.view(parts, -1, grad.shape[1]).sum(0)), None, None, None
