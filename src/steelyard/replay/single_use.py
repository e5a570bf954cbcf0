"""A single-use queue for on-policy recipes: first in, first out; each trajectory is used at most once.

    group k of a prompt = its arrivals (k - 1) G + 1 ... k G;  sample = the P groups that were completed first

P prompts, G samples per prompt. Duplicates are kept: dropping them would bias an on-policy estimate, because a likely
answer must count as often as it was sampled. A failed trajectory (reward None) takes its place in the group as an
invalid member, so an error never blocks a group. Nothing here is random. No paper: every synchronous trainer has such a
queue.
"""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from steelyard.core import PositiveInt, Trajectory, checked, method, require, to_bytes
from steelyard.replay.admission import COUNTERS, AgeLimit, OverAge, check_finite, check_request
from steelyard.replay.database import Database
from steelyard.replay.durable import Durable, Position, read_state
from steelyard.replay.entry import Entry
from steelyard.replay.events import Cause, Events
from steelyard.replay.group_queue import GroupQueue, oldest
from steelyard.replay.metadata import ReplayMetadata

_COUNTERS = (*COUNTERS, "used")


@method("single-use-queue")
@checked("replay")
@dataclass(frozen=True)
class SingleUse:
    """Settings of the single-use queue.

    >>> from steelyard.core import Episode, Prompt
    >>> said = Episode.written(Prompt("p", "1+1="), "2").trajectory.replace(reward=1.0)
    >>> queue = SingleUse().open(seed=0)
    >>> queue.add([said.replace(sample=n) for n in range(5)], version=0)
    5
    >>> [len(group) for group in queue.sample(1, 4, version=0, draw=0)]
    [4]
    >>> queue.sample(1, 4, version=0, draw=1)
    """

    capacity: PositiveInt | None = None
    """Most complete groups stored; a full queue drops the group that was completed first. None is no bound."""
    over_age: OverAge = "drop"
    """Groups beyond max_staleness: drop them, or keep them unused and wait for newer ones (then set a capacity)."""

    def open(self, *, seed: int, max_staleness: int | None = None, path: Path | None = None) -> "SingleUseQueue":
        """An empty queue, or the one that `path` holds.

        Args:
            seed: stored like every replay's seed; the queue draws nothing.
            max_staleness: most versions by which a trajectory may lag behind the learner; None is no bound.
            path: the file; None stores everything in memory.

        Raises:
            SteelyardError: the file is open elsewhere, damaged, not a replay's, or was begun with other settings.
        """
        AgeLimit(max_staleness, self.over_age)
        return SingleUseQueue(Database.open(path, ReplayMetadata(self, seed, max_staleness)))


class QueueState(Position):
    """The place of each queued entry, by `seq`: not yet grouped, in an incomplete group, or in a complete group."""

    num_generations: int | None = None
    arrivals: list[int] = msgspec.field(default_factory=list)
    filling: dict[str, list[int]] = msgspec.field(default_factory=dict)
    complete: list[list[int]] = msgspec.field(default_factory=list, name="ready")

    def seqs(self) -> list[int]:
        """The `seq` of every queued entry, in order."""
        groups = (self.arrivals, *self.filling.values(), *self.complete)
        return sorted(seq for group in groups for seq in group)


class SingleUseQueue(Durable):
    """The live queue. A group is selected and evicted as a whole, and is as old as its oldest member.

    The queue learns G from the first call of `sample`, which a learner makes before it first waits. Until then arrivals
    are not grouped, and `capacity`, which counts groups, has no effect. A sampled trajectory is removed and counted as
    `used`. A file that is opened again queues its contents as if they had just arrived; `restore` puts every entry back
    in its place.
    """

    @classmethod
    def open(cls, path: Path) -> "SingleUseQueue":
        """Continue an existing file with its own settings.

        Raises:
            SteelyardError: the file is missing, or cannot be continued.
        """
        return cls(Database.existing(path, SingleUse))

    def _load(self, entries: list[Entry]) -> None:
        metadata = self._file.metadata
        self._settings: SingleUse = metadata.settings
        self._age = AgeLimit(metadata.max_staleness, self._settings.over_age)
        self._prompts = Counter(entry.prompt_id for entry in entries)
        self._arrange(QueueState(arrivals=[entry.seq for entry in entries]), entries)

    def _arrange(self, state: QueueState, entries: list[Entry]) -> None:
        by_seq = {entry.seq: entry for entry in entries}
        self._arrivals = deque(by_seq[seq] for seq in state.arrivals)
        self._filling = {prompt_id: [by_seq[seq] for seq in group] for prompt_id, group in state.filling.items()}
        self._complete = GroupQueue()
        for group in state.complete:
            self._complete.add([by_seq[seq] for seq in group])
        self._num_generations = state.num_generations

    def add(self, trajectories: Sequence[Trajectory], *, version: int) -> int:
        """Queue trajectories that arrive while the learner is at `version`; returns how many were admitted.

        They are in the file when this returns. A trajectory without a reward is admitted, and counted as an error. One
        of weights that are not in the ledger is counted as `unknown_version`. Under "drop" an over-age one is refused.

        Raises:
            SteelyardError: a reward or log-probability is not finite, or the file cannot be written; then nothing of
                the call is queued.
        """
        check_finite(trajectories)
        bodies = [to_bytes(t) for t in trajectories]
        before = self._file.counts["admitted"]
        with self._file.transaction() as events:
            for trajectory, body in zip(trajectories, bodies, strict=True):
                self._take(trajectory, body, version, events)
            if self._num_generations is not None:
                self._group(self._num_generations, version, events)
        return self._file.counts["admitted"] - before

    def _take(self, trajectory: Trajectory, body: bytes, version: int, events: Events) -> None:
        counts = self._file.counts
        if not self.knows(trajectory):
            counts["unknown_version"] += 1
        elif self._age.refuses(trajectory, version):
            counts["refused"] += 1
        else:
            counts["admitted"] += 1
            counts["errors"] += trajectory.reward is None
            self._arrivals.append(events.put(trajectory, version, body))
            self._prompts[trajectory.prompt_id] += 1

    def sample(
        self, num_prompts: int, num_generations: int, *, version: int, draw: int
    ) -> list[list[Trajectory]] | None:
        """Take the P groups that were completed first and are within the staleness bound; None until there are P.

        A prompt that has two complete groups may fill two of the slots. `draw` is unused: nothing is random.

        Raises:
            SteelyardError: more prompts than `capacity` can ever hold, or another G than before.
        """
        check_request(num_prompts, num_generations)
        self._check_plan(num_prompts, num_generations)
        with self._file.transaction() as events:
            self._num_generations = num_generations
            self._group(num_generations, version, events)
            self._complete.mark_stale(self._age.floor(version))
            if self._age.drops:
                for group in self._complete.pop_stale():
                    self._remove(group, "over-age", events)
            if self._complete.num_usable < num_prompts:
                return None
            groups = [self._complete.pop_usable() for _ in range(num_prompts)]
            found = self._file.trajectories((entry for group in groups for entry in group), once=True)
            events.draw(entry for group in groups for entry in group)
            for group in groups:
                self._remove(group, "used", events)
        return [[found[entry.seq] for entry in group] for group in groups]

    def metrics(self) -> Mapping[str, float]:
        """The numbers of queued trajectories and prompts, and all counters; named `replay/...`."""
        self._file.check_usable()
        now = {"replay/size": float(self._prompts.total()), "replay/prompts": float(len(self._prompts))}
        return now | {f"replay/{name}": float(self._file.counts[name]) for name in _COUNTERS}

    def state(self) -> dict[str, object]:
        """The position in the file, the counters, and the place of each queued entry, as JSON values.

        Once this returns, all stored data survives a power cut.
        """
        self._file.sync()
        return msgspec.to_builtins(
            QueueState(
                self._file.position,
                self._file.counted,
                self._num_generations,
                [entry.seq for entry in self._arrivals],
                {prompt_id: [entry.seq for entry in group] for prompt_id, group in self._filling.items()},
                [[entry.seq for entry in group] for group in self._complete],
            )
        )

    def restore(self, state: Mapping[str, object] | None, *, keep_later: bool) -> None:
        """Go back to `state` (None: empty), bit for bit.

        With `keep_later`, later arrivals stay, and what was used or evicted since `state` is queued again, all in order
        of arrival.

        Raises:
            SteelyardError: the file ends before `state`, no longer holds it, or is another run's file.
        """
        at = read_state(state, QueueState, self._file.where)
        self._check_fits(at)
        if not keep_later:
            if self._file.remembers(at.position):
                self._require_fit(at.seqs() == self._file.live_at(at.position))
            self._file.roll_back(at.position, at.counts)
            self._arrange(at, self._reload())
            return
        removed = {name: at.counts.get(name, 0) for name in ("evicted", "used")}
        self._file.put_back(at.position, self._file.counts | removed)
        self._reload()
        self._num_generations = at.num_generations

    def _check_plan(self, num_prompts: int, num_generations: int) -> None:
        capacity = self._settings.capacity
        known = self._num_generations
        require(
            capacity is None or num_prompts <= capacity,
            f"a step needs {num_prompts} groups, and capacity is {capacity}",
            where="replay",
            hint="raise capacity, or lower the number of prompts",
        )
        require(
            known in (None, num_generations),
            f"num_generations went from {known} to {num_generations}",
            where="replay",
            hint="open a new queue to change the size of groups",
        )

    def _group(self, num_generations: int, version: int, events: Events) -> None:
        """Sort arrivals into groups. A group that became stale while incomplete is closed, and a new one is begun."""
        floor = self._age.floor(version)
        while self._arrivals:
            entry = self._arrivals.popleft()
            group = self._filling.setdefault(entry.prompt_id, [])
            if group and oldest(group) < floor:
                self._complete.add(group)
                group = self._filling[entry.prompt_id] = []
            group.append(entry)
            if len(group) == num_generations:
                self._complete.add(self._filling.pop(entry.prompt_id))
        while self._settings.capacity is not None and len(self._complete) > self._settings.capacity:
            self._remove(self._complete.pop_first(), "evicted", events)

    def _remove(self, group: list[Entry], why: Cause, events: Events) -> None:
        self._file.counts["evicted" if why == "over-age" else why] += len(group)
        for entry in group:
            events.remove(entry, why)
            self._prompts[entry.prompt_id] -= 1
            if not self._prompts[entry.prompt_id]:
                del self._prompts[entry.prompt_id]
