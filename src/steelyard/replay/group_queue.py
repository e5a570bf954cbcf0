"""A first-in first-out queue of complete groups that finds stale groups without a scan."""

from collections.abc import Iterator

from sortedcontainers import SortedDict, SortedList

from steelyard.replay.entry import Entry


class GroupQueue:
    """Complete groups in order of completion; stale ones are kept apart. Each operation is O(log n) in the n groups.

    A group is as old as its oldest sample. The version floor never falls, so a stale group never becomes usable again.
    """

    def __init__(self) -> None:
        self._usable = SortedDict()  # number of completion -> entries
        self._stale = SortedDict()
        self._by_age = SortedList()  # (oldest version, number of completion) of the usable groups
        self._completed = 0

    def __len__(self) -> int:
        return len(self._usable) + len(self._stale)

    def __iter__(self) -> Iterator[list[Entry]]:
        """All groups in order of completion."""
        return (entries for _, entries in sorted([*self._usable.items(), *self._stale.items()]))

    @property
    def num_usable(self) -> int:
        """How many groups are not stale."""
        return len(self._usable)

    def add(self, entries: list[Entry]) -> None:
        """Append a complete group."""
        self._usable[self._completed] = entries
        self._by_age.add((oldest(entries), self._completed))
        self._completed += 1

    def mark_stale(self, floor: int | float) -> None:
        """Mark every group stale that holds a sample of a version below `floor`."""
        while self._by_age and self._by_age[0][0] < floor:
            _, number = self._by_age.pop(0)
            self._stale[number] = self._usable.pop(number)

    def pop_stale(self) -> list[list[Entry]]:
        """Remove and return all stale groups."""
        stale = list(self._stale.values())
        self._stale.clear()
        return stale

    def pop_usable(self) -> list[Entry]:
        """Remove and return the usable group that was completed first."""
        number, entries = self._usable.popitem(0)
        self._by_age.remove((oldest(entries), number))
        return entries

    def pop_first(self) -> list[Entry]:
        """Remove and return the group that was completed first, stale or not."""
        if self._stale and (not self._usable or self._stale.keys()[0] < self._usable.keys()[0]):
            return self._stale.popitem(0)[1]
        return self.pop_usable()


def oldest(entries: list[Entry]) -> int:
    """The oldest weights version in a group."""
    return min(entry.version for entry in entries)
