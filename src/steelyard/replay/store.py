"""What is stored: rows grouped by prompt, and the indexes that let a draw or an eviction find its rows.

The store knows no randomness and no rule for choosing; the draw rule (`draw.py`) knows no storage. Everything changes
through `put` and `remove`, so a durable store has two events to write down.
"""

from bisect import bisect_left, insort
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from steelyard.core import Trajectory
from steelyard.replay.ordered import Ordered

Eviction = Literal["oldest", "lowest-reward"]


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """A stored trajectory, the learner version at which it arrived, and its number in the order of arrival."""

    trajectory: Trajectory
    arrived: int
    seq: int

    @property
    def age(self) -> tuple[int, int]:
        """Sorts from oldest to newest: by the weights that sampled it, then by arrival."""
        return (self.trajectory.version, self.seq)


def _lowest_reward(row: Row) -> tuple[Any, ...]:
    return (row.trajectory.reward, *row.age)


_RANKS: dict[Eviction, Callable[[Row], tuple[Any, ...]]] = {
    "oldest": lambda row: row.age,
    "lowest-reward": _lowest_reward,
}


@dataclass(slots=True, eq=False)
class Group:
    """The rows of one prompt, oldest first, no token sequence twice."""

    rows: list[Row] = field(default_factory=list)
    by_tokens: dict[bytes, Row] = field(default_factory=dict)
    arrived: int = 0
    """The latest learner version at which one of these rows arrived."""

    @property
    def newest(self) -> int:
        """The newest weights version among the rows."""
        return self.rows[-1].trajectory.version

    def since(self, floor: int | float) -> list[Row]:
        """The rows sampled by weights version `floor` or newer, oldest first."""
        return self.rows[bisect_left(self.rows, (floor,), key=lambda row: row.age) :]

    def add(self, row: Row) -> None:
        """Insert in order of age."""
        self.arrived = max(self.arrived, row.arrived) if self.rows else row.arrived
        insort(self.rows, row, key=lambda r: r.age)
        self.by_tokens[_key(row.trajectory)] = row

    def remove(self, row: Row) -> None:
        """Delete a row of this group."""
        del self.rows[bisect_left(self.rows, row.age, key=lambda r: r.age)]
        del self.by_tokens[_key(row.trajectory)]
        if row.arrived == self.arrived:
            self.arrived = max((r.arrived for r in self.rows), default=0)


class Store:
    """Rows in memory.

    `by_newest` holds (newest weights version, prompt) and `by_arrival` (latest arrival, prompt), one key per prompt, so
    that "still fresh" and "recent" are the tails of sorted lists. `by_age` and `by_rank` hold one key per row, and
    `by_rank` begins with the row that is evicted next.
    """

    def __init__(self, eviction: Eviction) -> None:
        self.groups: dict[str, Group] = {}
        self.rows: dict[int, Row] = {}
        self.by_newest, self.by_arrival, self.by_age, self.by_rank = Ordered(), Ordered(), Ordered(), Ordered()
        self._rank = _RANKS[eviction]
        self._next_seq = 0

    def put(self, trajectory: Trajectory, arrived: int) -> bool:
        """Store one trajectory; of two with the same prompt and tokens, the newer stays. False where there were two."""
        row = Row(trajectory, arrived, self._next_seq)
        self._next_seq += 1
        group = self.groups.get(trajectory.prompt_id)
        twin = None if group is None else group.by_tokens.get(_key(trajectory))
        if twin is not None:
            if twin.age > row.age:
                return False
            self.remove(twin)
        self._insert(row)
        return twin is None

    def _insert(self, row: Row) -> None:
        prompt_id = row.trajectory.prompt_id
        group = self.groups.setdefault(prompt_id, Group())
        self._unlink(prompt_id, group)
        group.add(row)
        self._link(prompt_id, group)
        self.rows[row.seq] = row
        self.by_age.add(row.age)
        self.by_rank.add(self._rank(row))

    def remove(self, row: Row) -> None:
        """Delete one stored row, and its prompt with the last."""
        prompt_id = row.trajectory.prompt_id
        group = self.groups[prompt_id]
        self._unlink(prompt_id, group)
        group.remove(row)
        self._link(prompt_id, group)
        del self.rows[row.seq]
        self.by_age.remove(row.age)
        self.by_rank.remove(self._rank(row))

    def oldest(self) -> Row:
        """The row with the oldest weights version, the earliest arrival of them."""
        return self.rows[self.by_age.keys[0][-1]]

    def worst(self) -> Row:
        """The row that goes first when the store is full."""
        return self.rows[self.by_rank.keys[0][-1]]

    def worst_of(self, prompt_id: str) -> Row:
        """The row that goes first when the prompt's group is full."""
        return min(self.groups[prompt_id].rows, key=self._rank)

    def _unlink(self, prompt_id: str, group: Group) -> None:
        if group.rows:
            self.by_newest.remove((group.newest, prompt_id))
            self.by_arrival.remove((group.arrived, prompt_id))

    def _link(self, prompt_id: str, group: Group) -> None:
        if group.rows:
            self.by_newest.add((group.newest, prompt_id))
            self.by_arrival.add((group.arrived, prompt_id))
        else:
            del self.groups[prompt_id]


def _key(trajectory: Trajectory) -> bytes:
    return trajectory.tokens_T.tobytes()
