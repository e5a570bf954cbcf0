"""Keys in sorted order: the canonical order that makes a draw depend on contents and not on history.

A plain list and `bisect`: finding is O(log n) and moving is one memmove, which at a hundred thousand keys takes tens of
microseconds. A hash table would be faster to change, but the order of its entries would remember every removal.
"""

from bisect import bisect_left, insort
from typing import Any


class Ordered:
    """Distinct tuples, sorted ascending; `keys` is the list, to be read and not changed."""

    def __init__(self) -> None:
        self.keys: list[tuple[Any, ...]] = []

    def __len__(self) -> int:
        return len(self.keys)

    def add(self, key: tuple[Any, ...]) -> None:
        """Insert a key that is not there."""
        insort(self.keys, key)

    def remove(self, key: tuple[Any, ...]) -> None:
        """Delete a key that is there."""
        del self.keys[bisect_left(self.keys, key)]

    def start(self, low: int | float) -> int:
        """Index of the first key whose first element is `low` or more."""
        return bisect_left(self.keys, (low,))
