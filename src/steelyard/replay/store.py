"""The in-memory index: entries grouped by prompt, and sorted lists that make draws and evictions fast.

The store knows no randomness, no selection rule and no file. It changes through `put` and `remove` alone. Its order is
sorted, so a draw depends on what is stored and not on the history that led there. Each operation is O(log n) in the n
stored entries, except within one prompt's list, whose length `capacity_per_prompt` bounds.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from typing import Literal

from sortedcontainers import SortedList

from steelyard.replay.entry import Entry

Eviction = Literal["oldest", "lowest-reward"]


def _lowest_reward(entry: Entry) -> tuple[float | None, int, int]:
    return (entry.reward, entry.version, entry.seq)


_EVICTION_KEYS: dict[Eviction, Callable[[Entry], tuple[float | None, int, int]] | None] = {
    "oldest": None,
    "lowest-reward": _lowest_reward,
}


class PromptEntries:
    """The entries of one prompt, oldest first."""

    __slots__ = ("entries", "last_arrival")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.last_arrival = 0
        """The latest learner version at which one of these entries arrived."""

    @property
    def newest_version(self) -> int:
        """The newest weights version among the entries."""
        return self.entries[-1].version

    def since(self, floor: int | float) -> list[Entry]:
        """The entries sampled by weights version `floor` or newer, oldest first."""
        return self.entries[bisect_left(self.entries, (floor,)) :]

    def add(self, entry: Entry) -> None:
        """Insert in order of age."""
        self.last_arrival = max(self.last_arrival, entry.arrived) if self.entries else entry.arrived
        insort(self.entries, entry)

    def remove(self, entry: Entry) -> None:
        """Delete one of these entries."""
        del self.entries[bisect_left(self.entries, entry)]
        if entry.arrived == self.last_arrival:
            self.last_arrival = max((e.arrived for e in self.entries), default=0)


class Store:
    """The index of all stored trajectories.

    `by_version` holds (newest weights version, prompt) and `by_arrival` (latest arrival, prompt), one pair per prompt:
    the prompts with usable data and the recent prompts are the tails of these lists. `by_age` holds entries, oldest
    first. `by_eviction` holds the evictable entries in the order in which they are evicted. `by_key` finds the entry
    with the same tokens. The newest `protected` entries of a prompt are protected; all others are evictable.

    Args:
        eviction: which entries are evicted first.
        by_age: maintain `by_age`; needed where over-age entries are evicted.
        by_eviction: maintain `by_eviction`; needed where the total is bounded.
        protected: entries of each prompt that are not evictable.
    """

    def __init__(self, eviction: Eviction, *, by_age: bool, by_eviction: bool, protected: int = 0) -> None:
        self._eviction_key = _EVICTION_KEYS[eviction]
        self._protected = protected
        self._keeps_age = by_age
        self._keeps_eviction = by_eviction
        self.prompts: dict[str, PromptEntries] = {}
        self.by_key: dict[bytes, Entry] = {}
        self.by_version = SortedList()
        self.by_arrival = SortedList()
        self.by_age = SortedList()
        self.by_eviction = SortedList(key=self._eviction_key)

    def __len__(self) -> int:
        return len(self.by_key)

    def load(self, entries: Iterable[Entry]) -> None:
        """Fill an empty store at once. Entries come in order of arrival, and no two have the same key."""
        for entry in entries:
            prompt = self.prompts.get(entry.prompt_id)
            if prompt is None:
                prompt = self.prompts[entry.prompt_id] = PromptEntries()
            prompt.entries.append(entry)
            if entry.arrived > prompt.last_arrival:
                prompt.last_arrival = entry.arrived
            self.by_key[entry.key] = entry
        for prompt in self.prompts.values():
            prompt.entries.sort()
        self.by_version.update((prompt.newest_version, prompt_id) for prompt_id, prompt in self.prompts.items())
        self.by_arrival.update((prompt.last_arrival, prompt_id) for prompt_id, prompt in self.prompts.items())
        if self._keeps_age:
            self.by_age.update(self.by_key.values())
        if self._keeps_eviction:
            self.by_eviction.update(entry for prompt_id in self.prompts for entry in self.evictable(prompt_id))

    def put(self, entry: Entry) -> Entry | None:
        """Store one entry. Of two with the same prompt and tokens the newer stays; the other is returned."""
        equal = self.by_key.get(entry.key)
        if equal is not None and equal > entry:
            return entry
        if equal is not None:
            self.remove(equal)
        self._insert(entry)
        return equal

    def _insert(self, entry: Entry) -> None:
        prompt = self.prompts.get(entry.prompt_id)
        if prompt is None:
            prompt = self.prompts[entry.prompt_id] = PromptEntries()
        before = _positions(prompt)
        prompt.add(entry)
        self._move(entry.prompt_id, before, _positions(prompt))
        self.by_key[entry.key] = entry
        if self._keeps_age:
            self.by_age.add(entry)
        unprotected = self.unprotected_by(entry)
        if self._keeps_eviction and unprotected is not None:
            self.by_eviction.add(unprotected)

    def remove(self, entry: Entry) -> None:
        """Delete one stored entry. A prompt disappears with its last entry."""
        prompt = self.prompts[entry.prompt_id]
        before = _positions(prompt)
        protected_again = self.unprotected_by(entry)
        prompt.remove(entry)
        self._move(entry.prompt_id, before, _positions(prompt))
        if not prompt.entries:
            del self.prompts[entry.prompt_id]
        del self.by_key[entry.key]
        if self._keeps_age:
            self.by_age.remove(entry)
        if self._keeps_eviction and protected_again is not None:
            self.by_eviction.remove(protected_again)

    def evictable(self, prompt_id: str) -> list[Entry]:
        """The prompt's evictable entries, oldest first."""
        entries = self.prompts[prompt_id].entries
        return entries[: max(0, len(entries) - self._protected)]

    def unprotected_by(self, entry: Entry) -> Entry | None:
        """The entry that lost its protection when `entry` was stored; `entry` itself if it never had any.

        None if the prompt has no evictable entry.
        """
        entries = self.prompts[entry.prompt_id].entries
        return min(entry, entries[-self._protected - 1]) if len(entries) > self._protected else None

    def oldest(self) -> Entry:
        """The entry with the oldest weights version; of several, the one that arrived first."""
        return next(iter(self.by_age))

    def first_evicted(self) -> Entry:
        """The entry that is evicted next when the store is full."""
        return next(iter(self.by_eviction))

    def first_evicted_of(self, prompt_id: str) -> Entry:
        """The entry that is evicted next when the prompt has too many."""
        return min(self.evictable(prompt_id), key=self._eviction_key)

    def _move(self, prompt_id: str, before: tuple[int, ...], after: tuple[int, ...]) -> None:
        """Update the prompt's place in the two indexes of prompts. Most changes of entries move neither."""
        if before == after:
            return
        for index, number in zip((self.by_version, self.by_arrival), before, strict=False):
            index.remove((number, prompt_id))
        for index, number in zip((self.by_version, self.by_arrival), after, strict=False):
            index.add((number, prompt_id))


def _positions(prompt: PromptEntries) -> tuple[int, ...]:
    """(newest weights version, latest arrival); empty for a prompt without entries."""
    return (prompt.newest_version, prompt.last_arrival) if prompt.entries else ()
