"""The rows of a running batch for a GPU: tensors stay where they are, and several tokens are drawn between two looks.

Each row has columns of its own, from its prompt's first token at column 0 on, and a position, which the GPU counts.
A step is launched as a graph for so many rows and columns (`Graphs`), rounded up to few different numbers. The
processor looks every `LOOK` tokens which rows have ended; one that has ended earlier goes on until then, and what it
draws is not read. A row that ends gives its place to the last one, so the rows that run are always the first N.

    column   0 . . . . . . .
    row 0    p p p x x x           p prompt, x drawn; the token of column 6 is drawn next
    row 1    p x                   let in later

Prompts that rows share are read once and copied to each. An episode that goes on gets a row again, as in `Rows`.
Shapes: S rows, N of them run, M new ones, C columns, L layers, H key-value heads, E head size, V vocabulary.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor
from torch.nn import functional

from steelyard.core import Request, Sampling
from steelyard.rollout.block_sampling import draw_in_blocks
from steelyard.rollout.endings import MAY_COMPLETE, By, Endings
from steelyard.rollout.fixed_step import fixed_step
from steelyard.rollout.graphs import Graphs
from steelyard.rollout.network import Network
from steelyard.rollout.prefix_cache import Read
from steelyard.rollout.running_rows import EndedRow, moves
from steelyard.rollout.sampling import check_finite

LOOK = 8
"""Tokens drawn between two looks at which rows have ended."""
FEW = (1, 4, 16, 64)
"""Rows of a graph; above, multiples of the last."""
STRIDE = 64
"""Columns of a graph are multiples of this."""


class FixedRows:
    """Room for `size` rows of `columns` columns; with `slack`, tokens can be given to rows in place of drawn ones."""

    def __init__(self, network: Network, size: int, columns: int, slack: int = 0) -> None:
        device = network.device
        self._network = network
        self._graphs = Graphs(device)
        self.size = rounded_rows(size)
        self.slack = slack
        self.running = 0
        size = self.size
        self.columns = columns = rounded_columns(columns)
        network.reserve(columns)
        self._moves = network.moves
        self._cache = network.blank(size, columns)
        self._tokens = torch.zeros(size, columns, dtype=torch.long, device=device)
        self._logp = torch.zeros(size, columns, device=device)
        self._uniform = torch.zeros(size, columns, dtype=torch.float64, device=device)
        self._given = torch.full((size, columns if slack else 0), -1, device=device)
        self._logits = torch.zeros(size, network.architecture.vocab_size, device=device)
        self._at = torch.ones(size, dtype=torch.long, device=device)
        self._begin, self._last = (torch.zeros(size, dtype=torch.long, device=device) for _ in range(2))
        self._ended = torch.zeros(size, dtype=torch.long, device=device)
        """The column at which a row ended; -1 while it runs."""
        self._stopped = torch.zeros(size, dtype=torch.bool, device=device)
        self._sound = torch.ones((), dtype=torch.bool, device=device)
        """All logits of rows that run were finite."""
        self._temperature = torch.ones((), device=device)
        self._requests: list[Request] = []
        # What the processor knows: the next column, first and last that is drawn, and who drew what.
        self._here, self._first, self._bound, self._length = (np.zeros(size, np.int64) for _ in range(4))
        self._versions = np.zeros((size, columns), np.int64)

    @property
    def free(self) -> int:
        """How many rows can be let in."""
        return self.size - self.running

    def serves(self, size: int, columns: int, slack: int) -> bool:
        """Whether nobody uses them and they are enough."""
        return not self.running and self.slack == slack and self.size >= size and self.columns >= columns

    def on_weight_update(self) -> None:
        """The weights have changed while rows run: these keep what older ones made of their tokens."""

    # Rows that come

    def make_room(self, prompt: int, steps: int) -> bool:
        """Have columns for a prompt of so many tokens and `steps` more: there always are, or become, some."""
        if prompt + steps > self.columns:
            self._grow(rounded_columns(prompt + steps))
        return True

    def _grow(self, columns: int) -> None:
        """Append columns: an episode of several turns became longer than any prompt. Graphs are captured anew."""
        more = (0, columns - self.columns)
        self._cache = functional.pad(self._cache, (0, 0, *more))
        self._tokens, self._logp, self._uniform = (
            functional.pad(x, more) for x in (self._tokens, self._logp, self._uniform)
        )
        self._given = functional.pad(self._given, more if self.slack else (0, 0), value=-1)
        self._versions = np.pad(self._versions, ((0, 0), more))
        self.columns = columns
        self._network.reserve(columns)
        self._graphs.clear()

    def admit(
        self, requests: Sequence[Request], index: Sequence[int], read: Read, uniform_MS: Float64[np.ndarray, "M S"]
    ) -> None:
        """Begin M rows: `index` says which of the prompts that were read is whose; `uniform_MS` draws their tokens."""
        rows = slice(self.running, self.running + len(requests))
        at_M = self._here_as_tensor(index)
        length_M = np.array([len(request.tokens) for request in requests])
        width = read.cache.shape[4]
        # Prompts are padded on the left; here they begin at column 0. What stands behind them is written over in time.
        shift_M = self._here_as_tensor(width - length_M)
        column_MT = (torch.arange(width, device=at_M.device) + shift_M[:, None]).clamp(max=width - 1)
        taken = read.cache[:, :, at_M[:, None], :, column_MT]
        self._cache[:, :, rows, :, :width] = taken.permute(2, 3, 0, 4, 1, 5)
        self._logits[rows] = read.logits_UV[at_M]
        self._begin_rows(requests, length_M, length_M, uniform_MS)

    def resume(self, request: Request, cache: Float[Tensor, "L 2 H T E"], uniform_S: Float64[np.ndarray, "S"]) -> None:
        """Go on with an episode: `cache` has the keys and values of the first T tokens of the request."""
        row = self.running
        known = cache.shape[3]
        length = len(request.tokens)
        self._cache[:, :, row, :, :known] = cache
        self._logits[row] = 0  # finite: what is drawn from them is not used
        self._begin_rows([request], np.array([known]), np.array([length]), uniform_S[None])
        self._given[row, known:length] = self._here_as_tensor(request.tokens[known:])

    def _begin_rows(
        self, requests: Sequence[Request], at_M: np.ndarray, begin_M: np.ndarray, uniform_MS: np.ndarray
    ) -> None:
        """Note for M new rows where they are, where drawing begins, and what they draw with."""
        rows = slice(self.running, self.running + len(requests))
        steps = uniform_MS.shape[1]
        self._here[rows] = at_M
        self._first[rows] = begin_M
        self._bound[rows] = begin_M + steps - 1
        self._at[rows] = self._here_as_tensor(at_M)
        self._begin[rows] = self._here_as_tensor(begin_M)
        self._last[rows] = self._here_as_tensor(begin_M + steps - 1)
        self._ended[rows] = -1
        self._stopped[rows] = False
        self._given[rows] = -1
        column_MS = self._here_as_tensor(begin_M[:, None] + np.arange(steps))
        self._uniform[rows] = self._uniform[rows].scatter(1, column_MS, self._here_as_tensor(uniform_MS))
        self._requests += requests
        self.running = rows.stop

    def _here_as_tensor(self, values: Sequence[int] | np.ndarray) -> Tensor:
        return torch.as_tensor(np.asarray(values)).to(self._at.device, non_blocking=True)

    # Rows that run

    def advance(self) -> None:
        """Read the tokens that were drawn last; the next logits are then there."""
        if self._moves != self._network.moves:
            self._graphs.clear()
            self._moves = self._network.moves
        rows = min(rounded_rows(self.running), self.size)
        width = min(rounded_columns(int(self._here[: self.running].max())), self.columns)
        self._graphs.run(("advance", rows, width), lambda: self._advance(rows, width))

    def _advance(self, rows: int, width: int) -> None:
        before_N = self._at[:rows] - 1
        token_N = self._tokens[:rows].gather(1, before_N[:, None])[:, 0]
        self._logits[:rows] = fixed_step(self._network, self._cache, token_N, before_N, width)

    def draw(self, sampling: Sampling, endings: Endings, version: int) -> tuple[np.ndarray, list[By]]:
        """Draw some tokens for each row; returns the rows that end by one, and how each does."""
        n = self.running
        rows = min(rounded_rows(n), self.size)
        self._temperature.fill_(sampling.temperature)
        key = ("draw", rows, sampling.temperature == 0, sampling.top_k, sampling.top_p, endings.ids)
        before_N = self._here[:n].copy()
        for step in range(min(LOOK, int((self._bound[:n] - self._here[:n]).max()) + 1)):
            if step:
                self.advance()
            self._graphs.run(key, lambda: self._draw(rows, sampling, endings.tokens))
            self._versions[np.arange(n), self._here[:n]] = version
            self._here[:n] = np.minimum(self._here[:n] + 1, self.columns - 1)
        seen = torch.cat([self._ended[:n], self._stopped[:n].long(), self._sound[None].long()]).cpu()
        check_finite(torch.where(seen[-1:] > 0, 0.0, torch.nan))
        ended_N, stopped_N = seen[:-1].view(2, n).numpy()
        by_N: list[By] = ["" if stopped else None for stopped in stopped_N.tolist()]
        for row, (column, string) in (self._completed(before_N, ended_N, endings) if endings.strings else {}).items():
            ended_N[row] = column
            by_N[row] = string
        (ended,) = np.nonzero(ended_N >= 0)
        self._length[ended] = ended_N[ended] + 1
        return ended, [by_N[row] for row in ended.tolist()]

    def _completed(self, before_N: np.ndarray, ended_N: np.ndarray, endings: Endings) -> dict[int, tuple[int, str]]:
        """Row -> the column at which its newest tokens complete a stop string, and the string.

        Args:
            before_N: the column of the first of these tokens.
            ended_N: the column at which the row ended otherwise, or -1.
            endings: with the stop strings.
        """
        n = len(before_N)
        column_NS = (before_N[:, None] + np.arange(LOOK)).clip(max=self.columns - 1)
        token_NS = self._tokens[:n].gather(1, self._here_as_tensor(column_NS)).cpu().numpy()
        last_N = np.where(ended_N >= 0, ended_N, self._here[:n] - 1)
        newest_NS = (column_NS >= self._first[:n, None]) & (column_NS <= last_N[:, None])
        found: dict[int, tuple[int, str]] = {}
        for row, step in np.argwhere(newest_NS & (endings.kinds(token_NS) == MAY_COMPLETE)).tolist():
            if row in found:
                continue
            column = int(column_NS[row, step])
            string = endings.completed(self._tokens[row, self._first[row] : column + 1].tolist())
            if string is not None:
                found[row] = (column, string)
        return found

    def _draw(self, rows: int, sampling: Sampling, eos: Int64[Tensor, "E"]) -> None:
        at_N = self._at[:rows]
        at_N1 = at_N[:, None].clone()
        uniform_N = self._uniform[:rows].gather(1, at_N1)[:, 0]
        token_N, logp_N, sound_N = draw_in_blocks(self._logits[:rows], uniform_N, self._temperature, sampling)
        if self.slack:
            given_N = self._given[:rows].gather(1, at_N1)[:, 0]
            token_N = torch.where(given_N < 0, token_N, given_N)
        self._tokens[:rows].scatter_(1, at_N1, token_N[:, None])
        self._logp[:rows].scatter_(1, at_N1, logp_N[:, None])
        running_N = self._ended[:rows] < 0
        stops_N = (token_N[:, None] == eos).any(1) & (at_N >= self._begin[:rows])
        ends_N = running_N & (stops_N | (at_N >= self._last[:rows]))
        self._sound &= (sound_N | ~running_N).all()
        self._stopped[:rows] |= ends_N & stops_N
        self._ended[:rows] = torch.where(ends_N, at_N, self._ended[:rows])
        self._at[:rows] = (at_N + 1).clamp(max=self.columns - 1)

    # Rows that end

    def end(self, rows: np.ndarray, *, keep: bool = False) -> list[EndedRow]:
        """Take rows out; the last ones that run move to their places. `keep` copies their keys and values."""
        of = self._here_as_tensor(rows)
        width = int(self._length[rows].max())
        tokens, logp = (x[of, :width].cpu().numpy() for x in (self._tokens, self._logp))
        ended: list[EndedRow] = []
        for i, row in enumerate(rows):
            drawn = slice(int(self._first[row]), int(self._length[row]))
            request = self._requests[row]
            kept = self._cache[:, :, row, :, : drawn.stop - 1].clone() if keep else None
            tokens_T = np.concatenate([request.tokens, tokens[i, drawn]], dtype=np.int32)
            ended.append(EndedRow(request, tokens_T, logp[i, drawn], self._versions[row, drawn].copy(), kept))
        self._close(rows)
        return ended

    def _close(self, rows: np.ndarray) -> None:
        n = self.running - len(rows)
        holes, movers = moves(rows, self.running)
        if len(holes):
            to, of = (self._here_as_tensor(x) for x in (holes, movers))
            for each in self._of_each_row():
                each[to] = each[of]
            self._cache[:, :, to] = self._cache[:, :, of]
            for each in (self._here, self._first, self._bound, self._versions):
                each[holes] = each[movers]
            for hole, mover in zip(holes, movers, strict=True):
                self._requests[hole] = self._requests[mover]
        self._ended[n : self.running] = 0
        self.running = n
        del self._requests[n:]

    def _of_each_row(self) -> list[Tensor]:
        """All that the GPU keeps of a row, but for keys and values."""
        kept = [self._tokens, self._logp, self._uniform, self._logits]
        counters = [self._at, self._begin, self._last, self._ended, self._stopped]
        return [*kept, *counters, *([self._given] if self.slack else [])]


def rounded_rows(rows: int) -> int:
    """Rows of the smallest graph that has enough."""
    for few in FEW:
        if rows <= few:
            return few
    return -(-rows // FEW[-1]) * FEW[-1]


def rounded_columns(columns: int) -> int:
    """Columns of the smallest graph that has enough: finer where there are few."""
    stride = STRIDE if columns <= 8 * STRIDE else 4 * STRIDE
    return -(-columns // stride) * stride
