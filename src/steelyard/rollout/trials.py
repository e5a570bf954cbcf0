"""The samples of a batch that follow a decode rule: continuations part at a position, and one of them stays.

A row is a continuation with what was read of it. Each step reads one more token of every row that goes on. A row that
has ended is set aside until those beside it have ended too, and takes no part in steps. A position at which more rows
would part than there is room for waits, with its logits.

    open      read to its end; the rule has said how many continuations begin here
    live      its last token is to be read: of a continuation, or of a sample whose continuation was chosen
    aside     a continuation that has ended, while others of its position have not

N rows, S steps at most, V vocabulary.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from steelyard.core import Request, Sampling, uniforms
from steelyard.decode import DecodeRule
from steelyard.policy import Policy
from steelyard.rollout.endings import By, Endings
from steelyard.rollout.reading import Cached, Reading, Whole, gather_rows
from steelyard.rollout.requests import uniforms_of
from steelyard.rollout.sampling import draw, warp


@dataclass(eq=False)
class Row:
    """One continuation: the uniforms of its tokens, what was drawn, and where its keys and values are."""

    sample: "Sample"
    reading: Reading
    at: int
    uniform_S: Float64[np.ndarray, "S"]
    tokens: list[int] = field(default_factory=list)
    logp: list[float] = field(default_factory=list)
    ended: bool = False
    by: By = None
    """What ended the sample with it; None while nothing has."""


@dataclass(eq=False)
class Sample:
    """A request on its way: its completion so far, and what it has cost."""

    request: Request
    uniform_S: Float64[np.ndarray, "S"]
    tokens: list[int] = field(default_factory=list)
    logp: list[float] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    """The continuations that are tried at its end; none while its last token is read."""
    forwards: int = 0
    tried: int = 0
    by: By = None
    """What has ended it, other than its bound."""


@dataclass(eq=False)
class Position:
    """A row that was read to its end, the logits there, and how many continuations begin."""

    row: Row
    logits_V: Float[Tensor, "V"]
    number: int


class Trials:
    """The state of a batch: `step` draws a token for every row that goes on, and returns the samples that ended."""

    @torch.inference_mode()
    def __init__(
        self,
        policy: Policy,
        rule: DecodeRule,
        requests: Sequence[Request],
        *,
        seed: int,
        sampling: Sampling,
        max_rows: int,
        reading: type[Cached] | type[Whole],
        endings: Endings,
        closes: Callable[[int], bool],
    ) -> None:
        """Read the prompts, equal ones once.

        Args:
            policy: what generates.
            rule: how many continuations are tried, and which is kept.
            requests: one or more, which are generated together.
            seed: root of all draws.
            sampling: how tokens are drawn.
            max_rows: continuations at once; a position that alone has more gets them nevertheless.
            reading: how rows are read.
            endings: what ends a sample.
            closes: whether a token ends a continuation.
        """
        self._policy = policy
        self._rule = rule
        self._seed = seed
        self._sampling = sampling
        self._max_rows = max_rows
        self._closes = closes
        self._endings = endings
        self._live: list[Row] = []
        self._aside: list[Row] = []
        self._open: list[Position] = []
        uniform_NS = uniforms_of(seed, requests, sampling.max_tokens)
        samples = [Sample(*pair) for pair in zip(requests, uniform_NS, strict=True)]
        places = {tokens: u for u, tokens in enumerate(dict.fromkeys(r.tokens for r in requests))}
        read = reading(policy, [*places])
        logits_UV = read.first()
        rows = [Row(sample, read, places[sample.request.tokens], sample.uniform_S) for sample in samples]
        self._arrive(rows, logits_UV[[row.at for row in rows]])

    @property
    def running(self) -> bool:
        """Whether any sample has not ended."""
        return bool(self._live or self._open)

    @torch.inference_mode()
    def step(self) -> list[Sample]:
        """Read the last tokens, let continuations begin, draw a token for each, and settle what has ended."""
        drawn = self._advance()
        drawn += self._begin(room=self._max_rows - len(drawn) - len(self._aside))
        ended = self._settle(drawn)
        self._gather()
        return ended

    def _advance(self) -> list[Row]:
        """Read the last token of each live row; returns those that drew another, and opens the others' positions."""
        rows = self._live
        self._live = []
        if not rows:
            return []
        last = [row.tokens[-1] if row.tokens else row.sample.tokens[-1] for row in rows]
        logits_NV = rows[0].reading.advance(torch.tensor(last, device=self._policy.device))
        trying = [i for i, row in enumerate(rows) if row.tokens]
        arrived = [i for i, row in enumerate(rows) if not row.tokens]
        for i in trying:
            rows[i].sample.forwards += 1
        if arrived:
            self._arrive([rows[i] for i in arrived], logits_NV[arrived])
        drawn = [rows[i] for i in trying]
        if drawn:
            self._draw(drawn, logits_NV[trying])
        return drawn

    def _arrive(self, rows: Sequence[Row], logits_NV: Float[Tensor, "N V"]) -> None:
        """These rows are read to their ends: ask the rule how many continuations begin at each."""
        number_N = self._rule.num_candidates(warp(logits_NV, self._sampling))
        for row, logits_V, number in zip(rows, logits_NV, number_N.tolist(), strict=True):
            row.sample.forwards += 1
            self._open.append(Position(row, logits_V.clone(), number))

    def _begin(self, room: int) -> list[Row]:
        """Continuations of as many open positions, in order, as there is room for; of one where nothing else runs."""
        begun: list[Row] = []
        used: list[Tensor] = []
        alone = room == self._max_rows
        while self._open and (len(begun) + self._open[0].number <= room or (alone and not begun)):
            position = self._open.pop(0)
            position.row.sample.rows = self._rows_at(position)
            begun += position.row.sample.rows
            used += [position.logits_V] * position.number
        if begun:
            self._draw(begun, torch.stack(used))
        return begun

    def _rows_at(self, position: Position) -> list[Row]:
        sample = position.row.sample
        at = len(sample.tokens)
        place = (position.row.reading, position.row.at)
        if position.number == 1:
            return [Row(sample, *place, sample.uniform_S[at : at + 1])]
        sample.tried += position.number
        addresses = [("trial", *sample.request.address[1:], at, i) for i in range(position.number)]
        each = uniforms(self._seed, addresses, self._sampling.max_tokens - at)
        return [Row(sample, *place, uniform_S) for uniform_S in each]

    def _draw(self, rows: Sequence[Row], logits_NV: Float[Tensor, "N V"]) -> None:
        """One more token for each; a row ends at punctuation, where the sample does, and at the length limit."""
        uniform_N = torch.tensor([row.uniform_S[len(row.tokens)] for row in rows], dtype=torch.float64)
        token_N, logp_N = draw(logits_NV, uniform_N.to(logits_NV.device), self._sampling)
        for row, token, logp in zip(rows, token_N.tolist(), logp_N.tolist(), strict=True):
            row.tokens.append(token)
            row.logp.append(logp)
            row.ended = len(row.tokens) == len(row.uniform_S) or self._closes(token)
        none_full = np.zeros(len(rows), bool)
        ended, by = self._endings.ended(
            token_N.cpu().numpy(), none_full, lambda i: [*rows[i].sample.tokens, *rows[i].tokens]
        )
        for i, what in zip(ended.tolist(), by, strict=True):
            rows[i].ended = True
            rows[i].by = what

    def _settle(self, drawn: Sequence[Row]) -> list[Sample]:
        """Sort the rows that drew; where all of a position have ended, the rule keeps one. Returns what has ended."""
        ended: list[Sample] = []
        self._live += [row for row in drawn if not row.ended]
        self._aside += [row for row in drawn if row.ended]
        for sample in dict.fromkeys(row.sample for row in drawn):
            if all(row.ended for row in sample.rows):
                kept = self._keep(sample)
                if self._over(sample):
                    ended.append(sample)
                else:
                    self._live.append(kept)
        self._aside = [row for row in self._aside if row.sample.rows]
        return ended

    def _keep(self, sample: Sample) -> Row:
        """Append the continuation that the rule chooses; returns its row, which begins anew."""
        logps = [np.array(row.logp, np.float32) for row in sample.rows]
        kept = sample.rows[0 if len(logps) == 1 else self._rule.choose(logps)]
        sample.tokens += kept.tokens
        sample.logp += kept.logp
        sample.by = kept.by
        sample.rows = []
        return Row(sample, kept.reading, kept.at, sample.uniform_S)

    def _over(self, sample: Sample) -> bool:
        return len(sample.tokens) == self._sampling.max_tokens or sample.by is not None

    def _gather(self) -> None:
        """Put live rows side by side, and those that wait apart from them; what nobody needs any more is let go."""
        self._live = self._together(self._live)
        advancing = self._live[0].reading if self._live else None
        self._together([*self._aside, *(position.row for position in self._open)], apart_from=advancing)

    def _together(self, rows: Sequence[Row], apart_from: Reading | None = None) -> list[Row]:
        """Give the rows a reading of their own; returns them in its order."""
        parts: dict[int, list[Row]] = {}
        for row in rows:
            parts.setdefault(id(row.reading), []).append(row)
        ordered = [row for part in parts.values() for row in part]
        if not ordered:
            return []
        of = ordered[0].reading
        if len(parts) > 1 or of is apart_from or [row.at for row in ordered] != list(range(of.size)):
            device = self._policy.device
            places = [(part[0].reading, torch.tensor([r.at for r in part], device=device)) for part in parts.values()]
            of = gather_rows(places)
        for at, row in enumerate(ordered):
            row.reading = of
            row.at = at
        return ordered
