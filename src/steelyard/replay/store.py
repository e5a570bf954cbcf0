"""What is stored: rows grouped by prompt, and the sorted indexes that let a draw or an eviction find its rows.

The store knows no randomness, no rule for choosing and no file; everything changes through `put` and `remove`.
Sorted order is the canonical order that makes a draw depend on contents and not on history; with sortedcontainers
every step is O(log n) in what is stored, except within one prompt's group, which `capacity_per_prompt` bounds.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from typing import Any, Literal

from sortedcontainers import SortedList

from steelyard.replay.row import Row

Eviction = Literal["oldest", "lowest-reward"]


def _lowest_reward(row: Row) -> tuple[Any, ...]:
    return (row.reward, row.version, row.seq)


_RANKS: dict[Eviction, Callable[[Row], tuple[Any, ...]] | None] = {"oldest": None, "lowest-reward": _lowest_reward}


class Group:
    """The rows of one prompt, oldest first."""

    __slots__ = ("arrived", "rows")

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.arrived = 0
        """The latest learner version at which one of these rows arrived."""

    @property
    def newest(self) -> int:
        """The newest weights version among the rows."""
        return self.rows[-1].version

    def since(self, floor: int | float) -> list[Row]:
        """The rows sampled by weights version `floor` or newer, oldest first."""
        return self.rows[bisect_left(self.rows, (floor,)) :]

    def add(self, row: Row) -> None:
        """Insert in order of age."""
        self.arrived = max(self.arrived, row.arrived) if self.rows else row.arrived
        insort(self.rows, row)

    def remove(self, row: Row) -> None:
        """Delete a row of this group."""
        del self.rows[bisect_left(self.rows, row)]
        if row.arrived == self.arrived:
            self.arrived = max((r.arrived for r in self.rows), default=0)


class Store:
    """Rows in memory.

    `by_newest` holds (newest weights version, prompt) and `by_arrival` (latest arrival, prompt), one pair per prompt,
    so that "still fresh" and "recent" are the tails of sorted lists. `by_age` and `by_rank` hold rows, and `by_rank`
    begins with the one that is evicted next. `by_key` finds the twin of a token sequence. The newest `fresh` rows of a
    prompt are fresh, all others settled; only those are ranked.

    Args:
        eviction: which rows go first.
        aged: keep `by_age`; needed where over-age rows are evicted.
        ranked: keep `by_rank`; needed where all rows together have a capacity.
        fresh: rows of each prompt that are not settled.
    """

    def __init__(self, eviction: Eviction, *, aged: bool, ranked: bool, fresh: int = 0) -> None:
        self._rank = _RANKS[eviction]
        self._fresh = fresh
        self._aged = aged
        self._ranked = ranked
        self.groups: dict[str, Group] = {}
        self.by_key: dict[bytes, Row] = {}
        self.by_newest = SortedList()
        self.by_arrival = SortedList()
        self.by_age = SortedList()
        self.by_rank = SortedList(key=self._rank)

    def __len__(self) -> int:
        return len(self.by_key)

    def load(self, rows: Iterable[Row]) -> None:
        """Fill an empty store at once, with rows in the order of arrival and no twins among them."""
        for row in rows:
            group = self.groups.get(row.prompt_id)
            if group is None:
                group = self.groups[row.prompt_id] = Group()
            group.rows.append(row)
            if row.arrived > group.arrived:
                group.arrived = row.arrived
            self.by_key[row.key] = row
        for group in self.groups.values():
            group.rows.sort()
        self.by_newest.update((group.newest, prompt_id) for prompt_id, group in self.groups.items())
        self.by_arrival.update((group.arrived, prompt_id) for prompt_id, group in self.groups.items())
        if self._aged:
            self.by_age.update(self.by_key.values())
        if self._ranked:
            self.by_rank.update(row for prompt_id in self.groups for row in self.settled(prompt_id))

    def put(self, row: Row) -> Row | None:
        """Store one row. Of two with the same prompt and tokens the newer stays; returns the one that gave way."""
        twin = self.by_key.get(row.key)
        if twin is not None and twin > row:
            return row
        if twin is not None:
            self.remove(twin)
        self._insert(row)
        return twin

    def _insert(self, row: Row) -> None:
        group = self.groups.get(row.prompt_id)
        if group is None:
            group = self.groups[row.prompt_id] = Group()
        before = _standing(group)
        group.add(row)
        self._move(row.prompt_id, before, _standing(group))
        self.by_key[row.key] = row
        if self._aged:
            self.by_age.add(row)
        settles = self.settles(row)
        if self._ranked and settles is not None:
            self.by_rank.add(settles)

    def remove(self, row: Row) -> None:
        """Delete one stored row, and its prompt with the last."""
        group = self.groups[row.prompt_id]
        before = _standing(group)
        unsettles = self.settles(row)
        group.remove(row)
        self._move(row.prompt_id, before, _standing(group))
        if not group.rows:
            del self.groups[row.prompt_id]
        del self.by_key[row.key]
        if self._aged:
            self.by_age.remove(row)
        if self._ranked and unsettles is not None:
            self.by_rank.remove(unsettles)

    def settled(self, prompt_id: str) -> list[Row]:
        """The prompt's settled rows, oldest first."""
        rows = self.groups[prompt_id].rows
        return rows[: max(0, len(rows) - self._fresh)]

    def settles(self, row: Row) -> Row | None:
        """The row that settled when this one, which is stored, was: itself, or the newest that it made settle."""
        rows = self.groups[row.prompt_id].rows
        return min(row, rows[-self._fresh - 1]) if len(rows) > self._fresh else None

    def oldest(self) -> Row:
        """The row with the oldest weights version, the earliest arrival of them."""
        return next(iter(self.by_age))

    def worst(self) -> Row:
        """The settled row that goes first when the store is full."""
        return next(iter(self.by_rank))

    def worst_of(self, prompt_id: str) -> Row:
        """The settled row that goes first when the prompt's group is full."""
        return min(self.settled(prompt_id), key=self._rank)

    def _move(self, prompt_id: str, before: tuple[int, ...], after: tuple[int, ...]) -> None:
        """Keep the prompt's place in the two indexes of prompts; most rows change neither."""
        if before == after:
            return
        for index, number in zip((self.by_newest, self.by_arrival), before, strict=False):
            index.remove((number, prompt_id))
        for index, number in zip((self.by_newest, self.by_arrival), after, strict=False):
            index.add((number, prompt_id))


def _standing(group: Group) -> tuple[int, ...]:
    """(newest weights version, latest arrival); nothing for an empty group."""
    return (group.newest, group.arrived) if group.rows else ()
