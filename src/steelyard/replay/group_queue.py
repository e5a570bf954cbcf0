"""Complete groups in the order of their completion; those grown over age are found without a scan."""

from collections.abc import Iterator

from sortedcontainers import SortedDict, SortedList

from steelyard.replay.row import Row


class Ready:
    """First in, first out, with over-age groups set aside. Every step is O(log n) in the groups held.

    A group is as old as its oldest member. The floor of fresh versions never falls, so a group set aside stays so.
    """

    def __init__(self) -> None:
        self._fresh = SortedDict()
        self._late = SortedDict()  # number of completion -> rows
        self._by_age = SortedList()  # (oldest version, number) of the fresh
        self._completed = 0

    def __len__(self) -> int:
        return len(self._fresh) + len(self._late)

    def __iter__(self) -> Iterator[list[Row]]:
        """All groups, the first completed first."""
        return (rows for _, rows in sorted([*self._fresh.items(), *self._late.items()]))

    @property
    def num_fresh(self) -> int:
        """Groups not set aside."""
        return len(self._fresh)

    def add(self, rows: list[Row]) -> None:
        """A group is complete."""
        self._fresh[self._completed] = rows
        self._by_age.add((oldest(rows), self._completed))
        self._completed += 1

    def set_aside(self, floor: int | float) -> None:
        """Part the groups with a member sampled by weights older than `floor` from the fresh ones."""
        while self._by_age and self._by_age[0][0] < floor:
            _, number = self._by_age.pop(0)
            self._late[number] = self._fresh.pop(number)

    def pop_late(self) -> list[list[Row]]:
        """Take out what was set aside."""
        late = list(self._late.values())
        self._late.clear()
        return late

    def pop_fresh(self) -> list[Row]:
        """Take out the fresh group that was completed first."""
        number, rows = self._fresh.popitem(0)
        self._by_age.remove((oldest(rows), number))
        return rows

    def pop_first(self) -> list[Row]:
        """Take out the group that was completed first, fresh or not."""
        if self._late and (not self._fresh or self._late.keys()[0] < self._fresh.keys()[0]):
            return self._late.popitem(0)[1]
        return self.pop_fresh()


def oldest(rows: list[Row]) -> int:
    """The oldest weights version of a group."""
    return min(row.version for row in rows)
