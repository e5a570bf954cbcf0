"""Near-duplicates: of two completions of a prompt that are nearly the same, only the better is stored.

Differs: a newcomer is compared with its nearest stored completion; the published code takes the first near enough.

    near(a, b) = [ d(a, b) < share (|a| + |b|)  or  a = b ],   d the edit distance

d counts the tokens that must be inserted, deleted or replaced (Levenshtein); |.| is a length in tokens, without the
token that ended the completion. N stored completions of a prompt, L tokens of the longest, S slots in memory.
All N distances are computed together, a row of the usual table for each token of the newcomer: O(L) steps on [N, L].
Source: Lee et al. 2024, arXiv:2405.18540.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Bool, Int, Int32

from steelyard.core import Trajectory
from steelyard.replay.entry import Entry

_NOTHING = -1  # is no token


def said(trajectory: Trajectory) -> Int32[np.ndarray, "L"]:
    """The tokens of a completion, without the one that ended it."""
    return trajectory.completion_T[:-1] if trajectory.finish == "stop" else trajectory.completion_T


class NearDuplicates:
    """The completions behind the stored rows of a buffer.

    Args:
        share: of the summed lengths, below which two are near.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._groups: dict[str, _Group] = {}

    def load(self, rows: Iterable[tuple[Entry, Trajectory]]) -> None:
        """Begin with these rows."""
        for row, trajectory in rows:
            self.put(row, trajectory)

    def put(self, row: Entry, trajectory: Trajectory) -> None:
        """The row is stored from now on."""
        self._groups.setdefault(row.prompt_id, _Group()).put(row, said(trajectory))

    def remove(self, row: Entry) -> None:
        """The row is no longer stored, or never was."""
        group = self._groups.get(row.prompt_id)
        if group is not None and row.seq in group.slots:
            group.remove(row)

    def find(self, row: Entry, among: Sequence[Entry]) -> Entry | None:
        """The nearest near-duplicate of a stored entry among others of its prompt, the oldest of equals, or None."""
        return self._groups[row.prompt_id].find(row, [r for r in among if r.seq != row.seq], self._share)


class _Group:
    """One prompt's completions, one in each slot of a table; free slots are filled with nothing."""

    def __init__(self) -> None:
        self.slots: dict[int, int] = {}
        self._free: list[int] = []
        self._tokens_SL = np.full((0, 0), _NOTHING, np.int32)
        self._length_S = np.zeros(0, np.int64)

    def put(self, row: Entry, tokens_L: np.ndarray) -> None:
        self._make_room(len(tokens_L))
        slot = self._free.pop()
        self._tokens_SL[slot, : len(tokens_L)] = tokens_L
        self._length_S[slot] = len(tokens_L)
        self.slots[row.seq] = slot

    def remove(self, row: Entry) -> None:
        slot = self.slots.pop(row.seq)
        self._tokens_SL[slot] = _NOTHING
        self._free.append(slot)

    def find(self, row: Entry, among: list[Entry], share: float) -> Entry | None:
        own = self.slots[row.seq]
        tokens_L = self._tokens_SL[own, : self._length_S[own]]
        slot_N = np.array([self.slots[r.seq] for r in among], np.int64)
        length_N = self._length_S[slot_N]
        bound_N = share * (length_N + len(tokens_L))
        # Lengths alone bound the distance from below: most need no table.
        near_N = _near(np.abs(length_N - len(tokens_L)), bound_N)
        chosen = np.flatnonzero(near_N)
        distance_N = edit_distances(tokens_L, self._tokens_SL[slot_N[chosen]], length_N[chosen])
        near_N = _near(distance_N, bound_N[chosen])
        found = zip(distance_N[near_N].tolist(), chosen[near_N].tolist(), strict=True)
        return min(((distance, among[place]) for distance, place in found), default=(0, None))[1]

    def _make_room(self, length: int) -> None:
        """Slots for one more row, and columns for so many tokens."""
        slots, longest = self._tokens_SL.shape
        if self._free and length <= longest:
            return
        more = 0 if self._free else max(8, slots)
        table_SL = np.full((slots + more, max(longest, length)), _NOTHING, np.int32)
        table_SL[:slots, :longest] = self._tokens_SL
        self._tokens_SL = table_SL
        self._length_S = np.concatenate([self._length_S, np.zeros(more, np.int64)])
        self._free += range(slots + more - 1, slots - 1, -1)


def _near(distance_N: Int[np.ndarray, "N"], bound_N: np.ndarray) -> Bool[np.ndarray, "N"]:
    return (distance_N < bound_N) | (distance_N == 0)


def edit_distances(
    tokens_L: Int[np.ndarray, "L"], others_NM: Int[np.ndarray, "N M"], length_N: Int[np.ndarray, "N"]
) -> Int[np.ndarray, "N"]:
    """The edit distance of one sequence to each of N others, of which the first `length_N` tokens count."""
    steps = np.arange(others_NM.shape[1] + 1)
    above = np.broadcast_to(steps, (len(others_NM), len(steps)))
    for i, token in enumerate(tokens_L.tolist(), start=1):
        kept = np.minimum(above[:, :-1] + (others_NM != token), above[:, 1:] + 1)
        best = np.concatenate([np.full((len(kept), 1), i), kept], axis=1)
        # An insertion costs one for each column that it goes on to the right.
        above = np.minimum.accumulate(best - steps, axis=1) + steps
    return above[np.arange(len(above)), length_N]
