"""Trajectories of a replay file, filtered and ordered, for people who look through them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple, get_args

import numpy as np

from steelyard.core import Trajectory
from steelyard.replay.events import Cause
from steelyard.replay.inspect import View
from steelyard.replay.row_index import RowIndex

Order = Literal["newest", "oldest", "reward-high", "reward-low", "version", "longest", "shortest", "most-drawn"]
ORDERS: tuple[Order, ...] = get_args(Order)
State = Literal["live", "removed", "all"]
STATES: tuple[State, ...] = get_args(State)


class StoredRow(NamedTuple):
    """One trajectory of the file, without its tokens."""

    seq: int
    """Number of the event that stored it."""
    prompt: str
    version: int
    """Of the weights that sampled it."""
    reward: float | None
    arrived: int
    """Learner version at arrival."""
    length: int
    sample: int
    gone: int | None
    """Number of the event that removed it; None while it can be drawn."""
    drawn: int | None
    """How often it was drawn, a place in a batch counting once; None where the file does not say."""


@dataclass(frozen=True)
class Filter:
    """Which trajectories are asked for; None leaves a bound open."""

    prompts: frozenset[str] | None = None
    """Ids of prompts."""
    same: int | None = None
    """Number of a trajectory: answers to its prompt."""
    state: State = "live"
    reward_low: float | None = None
    reward_high: float | None = None
    version_low: int | None = None
    version_high: int | None = None
    until: int | None = None
    """Highest `seq`: pages stay the same while newer trajectories arrive."""

    def passes(self, index: RowIndex) -> np.ndarray:
        """For each row whether it passes; a bound on the reward leaves out rows without one."""
        passes_R = np.ones(len(index.seq_R), bool)
        if self.state != "all":
            passes_R &= (index.gone_R == 0) == (self.state == "live")
        bounds = (
            (index.reward_R, self.reward_low, self.reward_high),
            (index.version_R, self.version_low, self.version_high),
            (index.seq_R, None, self.until),
        )
        for column_R, low, high in bounds:
            passes_R &= True if low is None else column_R >= low
            passes_R &= True if high is None else column_R <= high
        if self.prompts is not None or self.same is not None:
            passes_R &= np.isin(index.prompt_R, self._prompts(index))
        return passes_R

    def _prompts(self, index: RowIndex) -> list[int]:
        named = index.names.items()
        same = None if self.same is None else index.prompt_R[index.places([self.same])].tolist()
        asked = self.prompts
        return [id for id, name in named if (asked is None or name in asked) and (same is None or id in same)]


def sequence(index: RowIndex, asked: Filter, order: Order) -> np.ndarray:
    """The numbers of the trajectories that pass, in order; of equal ones the newest comes first."""
    chosen = np.flatnonzero(asked.passes(index))[::-1]
    keys = {
        "reward-high": -index.reward_R,
        "reward-low": index.reward_R,
        "version": -index.version_R,
        "longest": -index.length_R,
        "shortest": index.length_R,
        "most-drawn": -index.drawn_R,
    }
    if order in keys:
        chosen = chosen[np.argsort(keys[order][chosen], kind="stable")]
    return index.seq_R[chosen[::-1] if order == "oldest" else chosen]


def stored(index: RowIndex, seqs: Sequence[int]) -> list[StoredRow]:
    """The rows with these numbers; those that are no longer there are left out."""
    return [_row(index, int(place)) for place in index.places(seqs)]


def _row(index: RowIndex, i: int) -> StoredRow:
    reward = float(index.reward_R[i])
    return StoredRow(
        seq=int(index.seq_R[i]),
        prompt=index.names[int(index.prompt_R[i])],
        version=int(index.version_R[i]),
        reward=None if np.isnan(reward) else reward,
        arrived=int(index.arrived_R[i]),
        length=int(index.length_R[i]),
        sample=int(index.sample_R[i]),
        gone=int(index.gone_R[i]) or None,
        drawn=int(index.drawn_R[i]) if index.keeps_draws else None,
    )


def bodies(view: View, seqs: Sequence[int]) -> dict[int, Trajectory]:
    """The trajectories with these numbers; those that are no longer there are left out."""
    found = view.ask("SELECT seq, data FROM bodies WHERE seq IN (SELECT value FROM json_each(?))", str(list(seqs)))
    return {seq: view.decode(seq, body) for seq, body in found}


def causes(view: View, seqs: Sequence[int]) -> dict[int, Cause]:
    """Why the trajectories with these numbers were removed, of those of which the file says it."""
    if not view.keeps_causes:
        return {}
    query = "SELECT seq, why FROM rows WHERE why IS NOT NULL AND seq IN (SELECT value FROM json_each(?))"
    return dict(view.ask(query, str(list(seqs))))


@dataclass(frozen=True)
class Composition:
    """How much of the buffer each range of weight versions had sampled (B ranges), at M moments of the run."""

    at_M: np.ndarray
    """Learner version at each moment."""
    labels: Sequence[str]
    share_BM: np.ndarray
    """Share of the buffer."""


def composition(index: RowIndex, moments: int = 24, ranges: int = 6) -> Composition | None:
    """What the buffer was made of over time; None before two trajectories are stored.

    Removed rows that no checkpoint needs any more are deleted from the file, and are missing in early moments.
    """
    seq_R, version_R, gone_R = index.seq_R, index.version_R, index.gone_R
    if len(seq_R) < 2:
        return None
    edges = np.unique(np.linspace(version_R.min(), version_R.max() + 1, ranges + 1).round().astype(np.int64))
    bucket_R = np.searchsorted(edges, version_R, side="right") - 1
    moment_M = np.unique(np.linspace(seq_R[0], index.position, moments).astype(np.int64))
    at_M = index.arrived_R[np.searchsorted(seq_R, moment_M, side="right") - 1]
    counts_BM = np.zeros((len(edges) - 1, len(moment_M)))
    for m, moment in enumerate(moment_M):
        live_R = (seq_R <= moment) & ((gone_R == 0) | (gone_R > moment))
        counts_BM[:, m] = np.bincount(bucket_R[live_R], minlength=len(edges) - 1)
    labels = [_range(low, high - 1) for low, high in pairwise(edges.tolist())]
    return Composition(at_M, labels, counts_BM / np.maximum(1, counts_BM.sum(0)))


def _range(low: int, high: int) -> str:
    return f"version {low}" if low == high else f"versions {low}-{high}"
