"""The rows of a running batch: what each serves, its tokens, and its keys and values.

All rows share the column of the token that is drawn next, so that a step writes one slice. A row that is let in at
column t has its prompt in the columns before t. A row that ends gives its place to the last one, so the rows that run
are always the first N. Where the columns run out, everything moves to the front.

    column   0 . . . . . . . . . t
    row 0    . . p p p x x x x x          p prompt, x drawn; the token of column t is drawn next
    row 1    . . . . . p p p p x          let in later

Where rows share long prompts, these are not in the columns but in `Prefixes`. An episode that goes on gets a row again:
its keys and values return to the columns, and what they lack (its last token and the observation) is fed in token by
token, in place of drawn ones.
Shapes: N rows that run, M new ones, C columns, S steps at most, V vocabulary.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor
from torch.nn import functional

from steelyard.core import Request, Sampling
from steelyard.rollout.cache import Cache
from steelyard.rollout.endings import By, Endings
from steelyard.rollout.network import Network
from steelyard.rollout.prefix_cache import Read
from steelyard.rollout.prefixes import Prefixes
from steelyard.rollout.running_rows import EndedRow, moves
from steelyard.rollout.sampling import draw


class Rows:
    """Room for `size` rows of `columns` columns, and perhaps for the prompts that they share.

    `slack` columns stay free before the first prompt, so that a longer episode that goes on later finds room.
    """

    def __init__(
        self, network: Network, size: int, columns: int, prefixes: Prefixes | None = None, slack: int = 0
    ) -> None:
        device = network.device
        self._network = network
        self._cache = Cache(network, size, columns)
        self._prefixes = prefixes
        self.size = size
        self.slack = slack
        self.running = 0
        self.column = 0
        columns = self._cache.columns
        self._tokens = torch.zeros(size, columns, dtype=torch.long, device=device)
        self._logp = torch.zeros(size, columns, device=device)
        self._uniform = torch.zeros(size, columns, dtype=torch.float64, device=device)
        self._given = torch.full((size, columns if slack else 0), -1, device=device)  # tokens that are not drawn
        self._bias = torch.zeros(size, columns, device=device)  # 0 where a row attends, minus infinity before it
        self._positions = torch.zeros(size, dtype=torch.long, device=device)
        self._logits = torch.zeros(size, network.architecture.vocab_size, device=device)
        self._start, self._begin, self._last, self._prompt = (np.zeros(size, np.int64) for _ in range(4))
        self._requests: list[Request] = []
        self._versions = np.zeros(columns, np.int64)

    @property
    def free(self) -> int:
        """How many rows can be let in."""
        return self.size - self.running

    @property
    def logits_NV(self) -> Float[Tensor, "N V"]:
        """What the next tokens are drawn from."""
        return self._logits[: self.running]

    @property
    def uniform_N(self) -> Float64[Tensor, "N"]:
        """What they are drawn with."""
        return self._uniform[: self.running, self.column]

    def on_weight_update(self) -> None:
        """The weights have changed while rows run: these keep what older ones made of their tokens, new rows do not."""
        if self._prefixes is not None:
            self._prefixes.seal()

    @property
    def drawing_N(self) -> np.ndarray:
        """Which rows draw their next token; the others are given theirs."""
        return self._begin[: self.running] <= self.column

    def make_room(self, prompt: int, steps: int) -> bool:
        """Have columns for a prompt of so many tokens before the next one, and `steps` from it on.

        False where running rows have not come so far yet: the prompt has to wait for some steps.
        """
        before = prompt if self._prefixes is None else 0
        if not self.running:
            self.column = before + self.slack
        elif self.column < before:
            return False
        elif self.column + steps > self._cache.columns:
            self._drop(min(int(self._start[: self.running].min()), self.column - before))
        if self.column + steps > self._cache.columns:
            self._grow(self.column + steps)
        return True

    def _grow(self, columns: int) -> None:
        """Append columns: an episode of several turns became longer than any prompt."""
        self._cache.grow(columns)
        more = (0, self._cache.columns - len(self._versions))
        self._tokens, self._logp, self._uniform, self._bias = (
            functional.pad(x, more) for x in (self._tokens, self._logp, self._uniform, self._bias)
        )
        self._given = functional.pad(self._given, more, value=-1)
        self._versions = np.pad(self._versions, more)

    def _drop(self, columns: int) -> None:
        """Move everything to the front, by at most so many columns."""
        n = self.running
        by = self._cache.drop(columns)
        if by:
            for each in self._columns():
                each[:n, :-by] = each[:n, by:].clone()
            self._versions[:-by] = self._versions[by:].copy()
            for each in (self._start, self._begin, self._last):
                each[:n] -= by
            self.column -= by

    def admit(
        self, requests: Sequence[Request], index: Sequence[int], read: Read, uniform_MS: Float64[np.ndarray, "M S"]
    ) -> None:
        """Begin M rows: `index` says which of the prompts that were read is whose; `uniform_MS` draws their tokens."""
        t = self.column
        steps = uniform_MS.shape[1]
        device = self._logits.device
        rows = slice(self.running, self.running + len(requests))
        at = torch.tensor(index, device=device)
        lengths = np.array([len(request.tokens) for request in requests])
        if self._prefixes is None:
            self._cache.put(rows, read.cache[:, :, at], t)
            self._start[rows] = t - lengths
        else:
            self._prompt[rows] = self._prefixes.admit([request.tokens for request in requests], index, read)
            self._start[rows] = t
        self._logits[rows] = read.logits_UV[at]
        self._uniform[rows, t : t + steps] = torch.from_numpy(uniform_MS).to(device)
        self._begin[rows] = t
        self._last[rows] = t + steps - 1
        self._positions[rows] = torch.from_numpy(lengths).to(device)
        before_MC = np.arange(self._cache.columns) < self._start[rows, None]
        self._bias[rows] = torch.from_numpy(np.where(before_MC, -np.inf, 0.0).astype(np.float32)).to(device)
        self._given[rows] = -1
        self._requests += requests
        self.running = rows.stop

    def _columns(self) -> list[Tensor]:
        """All that is kept for each row and column."""
        return [self._tokens, self._logp, self._bias, self._uniform, *([self._given] if self.slack else [])]

    def resume(self, request: Request, cache: Float[Tensor, "L 2 H T E"], uniform_S: Float64[np.ndarray, "S"]) -> None:
        """Go on with an episode: `cache` has the keys and values of the first T tokens of the request."""
        row = self.running
        t = self.column
        known = cache.shape[3]
        rest = request.tokens[known:]
        begin = t + len(rest)
        end = begin + len(uniform_S)
        self._cache.put(slice(row, row + 1), cache[:, :, None], t)
        self._given[row] = -1
        self._given[row, t:begin] = torch.tensor(rest, device=self._given.device)
        self._uniform[row, begin:end] = torch.from_numpy(uniform_S).to(self._uniform.device)
        self._logits[row] = 0  # finite: what is drawn from them is not used
        self._start[row] = t - known
        self._begin[row] = begin
        self._last[row] = end - 1
        self._positions[row] = known
        self._bias[row] = 0
        self._bias[row, : t - known] = -torch.inf
        self._requests.append(request)
        self.running = row + 1

    def draw(self, sampling: Sampling, endings: Endings, version: int) -> tuple[np.ndarray, list[By]]:
        """Draw a token for each row; returns the rows that end by it, and how each does."""
        token_N, logp_N = draw(self.logits_NV, self.uniform_N, sampling)
        full_N = self.write(token_N, logp_N, version)
        return endings.ended(token_N.cpu().numpy(), full_N, self._drawn, self.drawing_N)

    def _drawn(self, row: int) -> list[int]:
        """The tokens that a row has drawn."""
        return self._tokens[row, self._begin[row] : self.column + 1].tolist()

    def write(self, token_N: Int64[Tensor, "N"], logp_N: Float[Tensor, "N"], version: int) -> np.ndarray:
        """Note what was drawn, or given in its place; returns which rows have all their steps."""
        n = self.running
        t = self.column
        if self.slack:
            given_N = self._given[:n, t]
            token_N = torch.where(given_N < 0, token_N, given_N)
        self._tokens[:n, t] = token_N
        self._logp[:n, t] = logp_N
        self._versions[t] = version
        return self._last[:n] == t

    def end(self, rows: np.ndarray, *, keep: bool = False) -> list[EndedRow]:
        """Take rows out; the last ones that run move to their places. `keep` copies their keys and values."""
        t = self.column
        of = torch.from_numpy(rows).to(self._logits.device)
        tokens, logp = (x[of, : t + 1].cpu().numpy() for x in (self._tokens, self._logp))
        ended = [
            EndedRow(
                self._requests[row],
                np.concatenate([self._requests[row].tokens, tokens[i, self._begin[row] :]], dtype=np.int32),
                logp[i, self._begin[row] :],
                self._versions[self._begin[row] : t + 1].copy(),
                self._cache.copy(int(row), int(self._start[row]), t - 1) if keep else None,
            )
            for i, row in enumerate(rows)
        ]
        self._close(rows)
        return ended

    def _close(self, rows: np.ndarray) -> None:
        n = self.running - len(rows)
        holes, movers = moves(rows, self.running)
        first = int(self._start[: self.running].min())
        t = self.column
        self.running = n
        if len(holes):
            to, of = (torch.from_numpy(x).to(self._logits.device) for x in (holes, movers))
            for each in (*self._columns(), self._positions):
                each[to] = each[of]
            for each in (self._start, self._begin, self._last, self._prompt):
                each[holes] = each[movers]
            for hole, mover in zip(holes, movers, strict=True):
                self._cache.move(int(mover), int(hole), first, t)
                self._requests[hole] = self._requests[mover]
        del self._requests[n:]
        if self._prefixes is not None:
            self._prefixes.keep(self._prompt[:n])

    def advance(self) -> None:
        """Read the tokens that were drawn last; the next column's logits are then there."""
        n = self.running
        t = self.column
        first = int(self._start[:n].min())
        latest = int(self._start[:n].max())
        bias = self._bias[:n, first : t + 1] if latest > first else None
        shared = None if self._prefixes is None else self._prefixes.shared(self._prompt[:n])
        window = self._cache.window(first, t)
        self._logits[:n] = self._network.step(self._tokens[:n, t], self._positions[:n], window, bias, shared)
        self._positions[:n] += 1
        self.column = t + 1
