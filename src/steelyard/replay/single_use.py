"""A single-use queue for on-policy recipes: first in, first out, every trajectory at most once, duplicates kept.

    group k of a prompt = its arrivals (k - 1) G + 1 ... k G;  sample = the P groups that were complete first

P prompts, G samples per prompt. Dropping duplicates would bias an on-policy estimate: a likely answer must count as
often as it was sampled. A failed trajectory (reward None) takes its place in the group as an invalid member, so one
error never blocks a group. Nothing here is random. No paper: this is the queue of every synchronous trainer.
"""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from steelyard.core import Trajectory, method, require, to_bytes
from steelyard.replay.admission import COUNTERS, AgeLimit, OverAge, check_finite, check_over_age, check_request
from steelyard.replay.database import Database
from steelyard.replay.durable import Durable, Position, read_state
from steelyard.replay.events import Events
from steelyard.replay.group_queue import Ready, oldest
from steelyard.replay.metadata import Origin
from steelyard.replay.row import Row

_COUNTERS = (*COUNTERS, "used")


@method("single-use-queue")
@dataclass(frozen=True)
class SingleUse:
    """Settings of the single-use queue."""

    capacity: int | None = None
    """Most complete groups kept; the oldest goes first. None keeps all."""
    over_age: OverAge = "drop"
    """Beyond max_staleness: drop a group, or keep it unused (give a capacity then) and wait for fresh ones."""

    def __post_init__(self) -> None:
        c = self.capacity
        require(c is None or c >= 1, f"capacity is {c}", where="replay", hint="use 1 or more, or none")
        check_over_age(self.over_age)

    def open(self, *, seed: int, max_staleness: int | None = None, path: Path | None = None) -> "SingleUseQueue":
        """An empty queue, or the one that `path` holds.

        Args:
            seed: taken as every replay takes it; the queue draws nothing.
            max_staleness: most versions a trajectory may lag behind the learner that trains on it; None is no bound.
            path: the file; None keeps all in memory.

        Raises:
            SteelyardError: the file is open elsewhere, damaged, not a replay's, or was begun with other settings.
        """
        AgeLimit(max_staleness, self.over_age)
        return SingleUseQueue(Database.open(path, Origin(self, seed, max_staleness)))


class QueueState(Position):
    """Where each queued row stands, by `seq`: not yet grouped, in a group that fills, or in a complete one."""

    num_generations: int | None = None
    arrivals: list[int] = msgspec.field(default_factory=list)
    filling: dict[str, list[int]] = msgspec.field(default_factory=dict)
    ready: list[list[int]] = msgspec.field(default_factory=list)

    def seqs(self) -> list[int]:
        """Every row that has a place."""
        groups = (self.arrivals, *self.filling.values(), *self.ready)
        return sorted(seq for group in groups for seq in group)


class SingleUseQueue(Durable):
    """The live queue. A group lives and dies as one: it is selectable while its oldest member is within the bound.

    G is learnt from the first `sample`, which a learner makes before it first waits; until then arrivals are kept as
    they come, and `capacity`, which counts groups, does not bind. Handing out removes: the counter `used`. A file that
    is opened again queues what it holds as if it had just arrived; `restore` puts every row where it stood.
    """

    @classmethod
    def open(cls, path: Path) -> "SingleUseQueue":
        """Continue an existing file with its own settings.

        Raises:
            SteelyardError: there is none, or it cannot be continued.
        """
        return cls(Database.existing(path, SingleUse))

    def _load(self, rows: list[Row]) -> None:
        origin = self._file.origin
        self._settings: SingleUse = origin.settings
        self._age = AgeLimit(origin.max_staleness, self._settings.over_age)
        self._prompts = Counter(row.prompt_id for row in rows)
        self._arrange(QueueState(arrivals=[row.seq for row in rows]), rows)

    def _arrange(self, state: QueueState, rows: list[Row]) -> None:
        by_seq = {row.seq: row for row in rows}
        self._arrivals = deque(by_seq[seq] for seq in state.arrivals)
        self._filling = {prompt_id: [by_seq[seq] for seq in group] for prompt_id, group in state.filling.items()}
        self._ready = Ready()
        for group in state.ready:
            self._ready.add([by_seq[seq] for seq in group])
        self._num_generations = state.num_generations

    def add(self, trajectories: Sequence[Trajectory], *, version: int) -> int:
        """Queue trajectories arriving while the learner is at `version`; returns how many were admitted.

        They are in the file when this returns. Failed ones (reward None) are admitted, and counted as errors. One whose
        weights are not in the ledger is counted as foreign. Under "drop" one that is over age is refused.

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
        if self._is_foreign(trajectory):
            counts["foreign"] += 1
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
        """The P oldest complete groups within the age limit, each given once; None until there are P.

        A prompt that has completed two groups may fill two of the slots. `draw` is not used: nothing is random.

        Raises:
            SteelyardError: more prompts than `capacity` can ever hold, or another G than before.
        """
        check_request(num_prompts, num_generations)
        self._check_plan(num_prompts, num_generations)
        with self._file.transaction() as events:
            self._num_generations = num_generations
            self._group(num_generations, version, events)
            self._ready.set_aside(self._age.floor(version))
            if self._age.drops:
                for group in self._ready.pop_late():
                    self._remove(group, "evicted", events)
            if self._ready.num_fresh < num_prompts:
                return None
            groups = [self._ready.pop_fresh() for _ in range(num_prompts)]
            found = self._file.trajectories(row for group in groups for row in group)
            for group in groups:
                self._remove(group, "used", events)
        return [[found[row.seq] for row in group] for group in groups]

    def metrics(self) -> Mapping[str, float]:
        """Trajectories and prompts now queued, and counts since the queue was begun, named `replay/...`."""
        self._file.check_usable()
        now = {"replay/size": float(self._prompts.total()), "replay/prompts": float(len(self._prompts))}
        return now | {f"replay/{name}": float(self._file.counts[name]) for name in _COUNTERS}

    def state(self) -> dict[str, Any]:
        """The position in the file, the counters, and where each queued row stands, as JSON has it.

        What is stored survives a power cut when this returns.
        """
        self._file.sync()
        return msgspec.to_builtins(
            QueueState(
                self._file.position,
                self._file.counted,
                self._num_generations,
                [row.seq for row in self._arrivals],
                {prompt_id: [row.seq for row in group] for prompt_id, group in self._filling.items()},
                [[row.seq for row in group] for group in self._ready],
            )
        )

    def restore(self, state: Mapping[str, Any] | None, *, keep_later: bool) -> None:
        """Be as at `state` (None: empty), to the bit. With `keep_later` what arrived since then stays, and what was
        handed out or evicted since then is queued again, all in the order of arrival.

        Raises:
            SteelyardError: the file ends before `state`, has forgotten it, or is not the one that it describes.
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
        """Sort arrivals into groups. A group that went over age while filling is closed as it is; a new one begins."""
        floor = self._age.floor(version)
        while self._arrivals:
            row = self._arrivals.popleft()
            group = self._filling.setdefault(row.prompt_id, [])
            if group and oldest(group) < floor:
                self._ready.add(group)
                group = self._filling[row.prompt_id] = []
            group.append(row)
            if len(group) == num_generations:
                self._ready.add(self._filling.pop(row.prompt_id))
        while self._settings.capacity is not None and len(self._ready) > self._settings.capacity:
            self._remove(self._ready.pop_first(), "evicted", events)

    def _remove(self, group: list[Row], counter: str, events: Events) -> None:
        self._file.counts[counter] += len(group)
        for row in group:
            events.remove(row)
            self._prompts[row.prompt_id] -= 1
            if not self._prompts[row.prompt_id]:
                del self._prompts[row.prompt_id]
