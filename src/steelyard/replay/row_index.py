"""The narrow columns of a replay file in memory, for those who look at it again and again while a run writes it.

A look reads the rows that are new, and which ones were removed since; 1e5 rows take about 10 MB. Where the file
went back to an earlier state, as a resume does, all is read again.
"""

from collections.abc import Sequence

import numpy as np

from steelyard.replay.inspect import View
from steelyard.replay.schema import unpacked

_NEW = """SELECT seq, prompt, version, arrived, reward, sample, length, coalesce(gone, 0), 0 FROM rows
    WHERE seq > ? ORDER BY seq LIMIT ?"""
_AT_ONCE = 100_000
"""Rows that are read at once: as Python's objects one takes five times its room in the columns."""
_KEY = "SELECT key FROM rows WHERE seq = ?"
_COLUMNS = {
    "seq": np.int64,
    "prompt": np.int64,
    "version": np.int64,
    "arrived": np.int64,
    "reward": np.float64,
    "sample": np.int64,
    "length": np.int64,
    "gone": np.int64,
    "drawn": np.int64,
}


class RowIndex:
    """R rows in order of arrival. `gone_R` is 0 where a row was not removed, `reward_R` NaN where it has none, and
    `drawn_R` how often it was drawn."""

    def __init__(self) -> None:
        self.columns = {name: np.empty(0, kind) for name, kind in _COLUMNS.items()}
        self.names: dict[int, str] = {}
        """Number of a prompt in the file -> its id."""
        self.keeps_draws = False
        """Whether the file says what was drawn; else `drawn_R` is 0."""
        self._draws = 0
        """Number of draws seen."""
        self.position = 0
        """Number of the last event seen."""
        self._key: bytes | None = None
        """Of the newest row: another one in its place tells that the file went back."""

    def __getattr__(self, name: str) -> np.ndarray:
        """A column by its name and axis: `seq_R`, `reward_R`, ..."""
        column = self.__dict__.get("columns", {}).get(name.removesuffix("_R"))
        if column is None or not name.endswith("_R"):
            raise AttributeError(name)
        return column

    def update(self, view: View) -> bool:
        """Read what changed since the last look; True where all was read anew, and a number may name another row.

        Raises:
            SteelyardError: the file is damaged.
        """
        ((position, forgotten),) = view.ask("SELECT position, forgotten FROM state")
        if position == self.position:
            return False
        anew = not self._goes_on(view, position)
        if anew:
            self.__init__()
        self._append(view)
        self._mark_removed(view)
        self._count_draws(view)
        if not self._complete(view, forgotten):
            anew = True
            self.__init__()
            self._append(view)
            self._count_draws(view)
        self.position = position
        return anew

    def _goes_on(self, view: View, position: int) -> bool:
        """True where the file still has what was read, as far as its newest row tells."""
        if self._key is None:
            return True
        return position > self.position and view.ask(_KEY, int(self.seq_R[-1])) == [(self._key,)]

    def _append(self, view: View) -> None:
        parts = [self.columns]
        last = int(self.seq_R[-1]) if len(self.seq_R) else 0
        while new := view.ask(_NEW, last, _AT_ONCE):
            values = zip(_COLUMNS.items(), zip(*new, strict=True), strict=True)
            parts.append({name: np.array(column, dtype=kind) for (name, kind), column in values})
            last = new[-1][0]
        if len(parts) == 1:
            return
        self.columns = {name: np.concatenate([part[name] for part in parts]) for name in _COLUMNS}
        self.names |= dict(view.ask("SELECT id, name FROM prompts WHERE id > ?", max(self.names, default=0)))
        ((self._key,),) = view.ask(_KEY, int(self.seq_R[-1]))

    def _mark_removed(self, view: View) -> None:
        removed = view.ask("SELECT seq, gone FROM rows WHERE gone > ?", self.position)
        if removed:
            seq_D, gone_D = np.array(removed, dtype=np.int64).T
            self.gone_R[np.searchsorted(self.seq_R, seq_D)] = gone_D

    def _count_draws(self, view: View) -> None:
        self.keeps_draws = view.keeps_draws
        if not view.keeps_draws:
            return
        new = [unpacked(rows) for (rows,) in view.ask("SELECT rows FROM draws WHERE seq > ?", self.position)]
        self._draws += len(new)
        if new:
            seqs, counts = np.unique(np.concatenate(new), return_counts=True)
            known = np.isin(seqs, self.seq_R)
            self.drawn_R[np.searchsorted(self.seq_R, seqs[known])] += counts[known]

    def _complete(self, view: View, forgotten: int) -> bool:
        """Leave out what the file has forgotten; True where as many rows are removed, and as many draws made, as in the
        file."""
        kept_R = (self.gone_R == 0) | (self.gone_R > forgotten)
        if not kept_R.all():
            self.columns = {name: column[kept_R] for name, column in self.columns.items()}
        ((removed,),) = view.ask("SELECT count(*) FROM rows WHERE gone IS NOT NULL")
        ((draws,),) = view.ask("SELECT count(*) FROM draws") if view.keeps_draws else [(0,)]
        return int((self.gone_R > 0).sum()) == removed and self._draws == draws

    def places(self, seqs: Sequence[int]) -> np.ndarray:
        """Places of the rows with these numbers; those that are not there are left out."""
        asked = np.asarray(seqs, dtype=np.int64)
        place = np.searchsorted(self.seq_R, asked)
        inside = place < len(self.seq_R)
        return place[inside][self.seq_R[place[inside]] == asked[inside]]
