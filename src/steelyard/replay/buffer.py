"""Replay by reward or recency: old trajectories stay useful under an objective that needs no importance ratio.

Differs from the paper: recency is a window of W versions, for there is no synchronisation to count from; of a recent
prompt strictly the G newest are taken, where the published code draws among the newest; where no recent prompt is left,
any stored prompt gives its newest; a short group repeats its members evenly instead of at random. `nearest` is of
another paper, arXiv:2405.18540: of two completions that are nearly the same only the better stays. `fresh` is ours:
there half of the batches never pass through a buffer; here the newest trajectories are spared by eviction and
deduplication.

For each of the P prompt slots of a batch a coin is flipped:

    with probability m   a prompt among those that received trajectories while the learner was within its last W
                         versions (v - arrival < W), then its G newest trajectories
    otherwise            any stored prompt, then G of its N by sequential softmax without replacement:
                         P(i next) = exp(b r_i) / sum over j not yet drawn of exp(b r_j)

P prompts, G samples per prompt, N stored trajectories of a prompt; r reward, b its inverse temperature, v the learner's
version. Prompts are uniform, without replacement within the batch. "Newest" and "oldest" go by the weights version that
sampled a trajectory, then by arrival. Source: Bartoldson et al. 2025, arXiv:2503.18929.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from steelyard.core import Trajectory, method, require, rng, to_bytes
from steelyard.replay.admission import COUNTERS, AgeLimit, OverAge, check_finite, check_over_age, check_request
from steelyard.replay.database import Database
from steelyard.replay.draw import Slot, choose_prompts, choose_rows, shuffled
from steelyard.replay.durable import Durable, Position, read_state
from steelyard.replay.events import Events
from steelyard.replay.metadata import Origin
from steelyard.replay.near_duplicate import Nearest
from steelyard.replay.row import Row
from steelyard.replay.store import Eviction, Store

_COUNTERS = (*COUNTERS, "recent_short", "replaced")


@method("replay-buffer", paper="arXiv:2503.18929")
@dataclass(frozen=True)
class PrioritizedReplay:
    """Settings of the replay buffer."""

    capacity_per_prompt: int | None = 100
    """Most trajectories kept for one prompt; None keeps all."""
    capacity: int | None = None
    """Most trajectories kept in all; None keeps all."""
    eviction: Eviction = "oldest"
    """What goes first from a full store: the oldest, or the lowest reward (the oldest of these)."""
    recent_probability: float = 0.5
    """Chance that a prompt slot is filled by recency, the rest by reward."""
    recent_window: int = 4
    """A prompt is recent while the learner is less than this many versions past its last arrival."""
    reward_temperature: float = 0.0
    """Inverse temperature of the softmax of reward that chooses trajectories: 0 is uniform, larger prefers reward."""
    over_age: OverAge = "drop"
    """Beyond max_staleness: drop the data and train on what remains, or keep it and wait for fresh data."""
    warmup: int = 0
    """Trajectories admitted before the first draw."""
    nearest: float = 0.0
    """Two completions of a prompt are twins below this share of their summed lengths in edits; 0: only equal ones."""
    fresh: int = 0
    """Newest trajectories of each prompt that no capacity counts, nothing evicts and no near twin replaces."""

    def __post_init__(self) -> None:
        for name in ("capacity_per_prompt", "capacity"):
            value = getattr(self, name)
            require(value is None or value >= 1, f"{name} is {value}", where="replay", hint="use 1 or more, or none")
        for name, low in (("recent_window", 1), ("warmup", 0), ("fresh", 0)):
            value = getattr(self, name)
            require(value >= low, f"{name} is {value}", where="replay", hint=f"use {low} or more")
        m = self.recent_probability
        b = self.reward_temperature
        require(0 <= m <= 1, f"recent_probability is {m}", where="replay", hint="use a probability from 0 to 1")
        require(0 <= b < math.inf, f"reward_temperature is {b}", where="replay", hint="use a finite number, 0 or more")
        share = self.nearest
        bounded = self.capacity is not None or self.capacity_per_prompt is not None
        require(0 <= share < 1, f"nearest is {share}", where="replay", hint="use a share from 0, below 1")
        hint = "give a capacity: every arrival is compared with all that its prompt has"
        require(share == 0 or bounded, "nearest is set, and nothing bounds the store", where="replay", hint=hint)
        known = get_args(Eviction)
        require(
            self.eviction in known, f"eviction is {self.eviction!r}", where="replay", hint=f"use {' or '.join(known)}"
        )
        check_over_age(self.over_age)

    def open(self, *, seed: int, max_staleness: int | None = None, path: Path | None = None) -> "ReplayBuffer":
        """An empty buffer, or the one that `path` holds.

        Args:
            seed: of all its draws.
            max_staleness: most versions a trajectory may lag behind the learner that trains on it; None is no bound.
            path: the file; None keeps all in memory.

        Raises:
            SteelyardError: the file is open elsewhere, damaged, not a replay's, or was begun with other settings.
        """
        AgeLimit(max_staleness, self.over_age)
        return ReplayBuffer(Database.open(path, Origin(self, seed, max_staleness)))


class ReplayBuffer(Durable):
    """The live buffer: it alone decides what is admitted, selected and evicted.

    Every trajectory that arrives is refused, foreign, an error, or admitted; every admitted one is stored, evicted, or
    gave way to its duplicate. A draw is a function of what is stored, the seed, and the arguments of `sample`; it costs
    O(log N) in the N trajectories stored, and O(n) in the n of each prompt drawn, which `capacity_per_prompt` bounds.
    """

    @classmethod
    def open(cls, path: Path) -> "ReplayBuffer":
        """Continue an existing file with its own settings.

        Raises:
            SteelyardError: there is none, or it cannot be continued.
        """
        return cls(Database.existing(path, PrioritizedReplay))

    def _load(self, rows: list[Row]) -> None:
        origin = self._file.origin
        settings: PrioritizedReplay = origin.settings
        self._settings = settings
        self._seed = origin.seed
        self._age = AgeLimit(origin.max_staleness, settings.over_age)
        ranked = settings.capacity is not None
        self._store = Store(settings.eviction, aged=self._age.drops, ranked=ranked, fresh=settings.fresh)
        self._store.load(rows)
        self._nearest = Nearest(settings.nearest) if settings.nearest else None
        if self._nearest is not None:
            known = self._file.trajectories(rows)
            self._nearest.load((row, known[row.seq]) for row in rows)

    def add(self, trajectories: Sequence[Trajectory], *, version: int) -> int:
        """Store trajectories arriving while the learner is at `version`; returns how many were admitted.

        They are in the file when this returns. One whose reward is None is counted and not stored. One whose weights
        are not in the ledger is counted as foreign. Under "drop" one that is over age is refused.

        Raises:
            SteelyardError: a reward or log-probability is not finite, or the file cannot be written; then nothing of
                the call is stored.
        """
        check_finite(trajectories)
        bodies = [to_bytes(t) for t in trajectories]
        before = self._file.counts["admitted"]
        with self._file.transaction() as events:
            for trajectory, body in zip(trajectories, bodies, strict=True):
                self._take(trajectory, body, version, events)
        return self._file.counts["admitted"] - before

    def _take(self, trajectory: Trajectory, body: bytes, version: int, events: Events) -> None:
        counts = self._file.counts
        if self._is_foreign(trajectory):
            counts["foreign"] += 1
        elif trajectory.reward is None:
            counts["errors"] += 1
        elif self._age.refuses(trajectory, version):
            counts["refused"] += 1
        else:
            counts["admitted"] += 1
            self._admit(events.put(trajectory, version, body), trajectory, events)

    def _admit(self, row: Row, trajectory: Trajectory, events: Events) -> None:
        loser = self._store.put(row)
        if loser is not None:
            self._drop(loser, events, "duplicates", stored=False)
        if loser is row:
            return
        if self._nearest is not None:
            self._nearest.put(row, trajectory)
        settled = self._store.settles(row)
        if settled is not None:
            self._settle(settled, events)

    def _settle(self, row: Row, events: Events) -> None:
        """A row is fresh no longer: it must be better than its near twin, and the store may be too full now."""
        store = self._store
        most = self._settings.capacity
        most_of_prompt = self._settings.capacity_per_prompt
        twin = None if self._nearest is None else self._nearest.twin(row, store.settled(row.prompt_id))
        if twin is not None:
            self._drop(min(row, twin, key=lambda r: (r.reward, -r.seq)), events, "duplicates")
        elif most_of_prompt is not None and len(store.settled(row.prompt_id)) > most_of_prompt:
            self._drop(store.worst_of(row.prompt_id), events, "evicted")
        if most is not None and len(store.by_rank) > most:
            self._drop(store.worst(), events, "evicted")

    def _drop(self, row: Row, events: Events, counter: str, *, stored: bool = True) -> None:
        if stored:
            self._store.remove(row)
        if self._nearest is not None:
            self._nearest.remove(row)
        events.remove(row)
        self._file.counts[counter] += 1

    def sample(
        self, num_prompts: int, num_generations: int, *, version: int, draw: int
    ) -> list[list[Trajectory]] | None:
        """P groups of G trajectories for the learner's step at `version`, or None if it must wait.

        None before `warmup`, while nothing is selectable, and under "wait" until P prompts have selectable data. Under
        "drop" there are fewer than P groups when fewer prompts remain; without a bound prompts repeat instead.
        Trajectories repeat in a group only when their prompt has fewer than G. `draw` addresses the randomness.
        """
        check_request(num_prompts, num_generations)
        with self._file.transaction() as events:
            chosen = self._choose(num_prompts, num_generations, version, draw, events)
            found = self._file.trajectories(row for group in chosen or () for row in group)
        return None if chosen is None else [[found[row.seq] for row in group] for group in chosen]

    def metrics(self) -> Mapping[str, float]:
        """Trajectories and prompts now stored, and counts since the buffer was begun, named `replay/...`."""
        self._file.check_usable()
        now = {"replay/size": float(len(self._store)), "replay/prompts": float(len(self._store.groups))}
        return now | {f"replay/{name}": float(self._file.counts[name]) for name in _COUNTERS}

    def state(self) -> dict[str, Any]:
        """The position in the file, and the counters; what is stored survives a power cut when this returns."""
        self._file.sync()
        return {"position": self._file.position, "counts": self._file.counted}

    def restore(self, state: Mapping[str, Any] | None, *, keep_later: bool) -> None:
        """Be as at `state` (None: empty), to the bit; or with `keep_later` only check that the file reaches it.

        Raises:
            SteelyardError: the file ends before `state`, has forgotten it, or is not the one that it describes.
        """
        at = read_state(state, Position, self._file.where)
        self._check_fits(at)
        if not keep_later:
            self._file.roll_back(at.position, at.counts)
            self._reload()

    def _choose(
        self, num_prompts: int, num_generations: int, version: int, draw: int, events: Events
    ) -> list[list[Row]] | None:
        floor = self._age.floor(version)
        while self._age.drops and len(self._store) and (row := self._store.oldest()).version < floor:
            self._drop(row, events, "evicted")
        selectable = len(self._store.by_newest) - self._store.by_newest.bisect_left((floor,))
        enough = num_prompts if self._age.waits else 1
        if self._file.counts["admitted"] < self._settings.warmup or selectable < enough:
            return None
        draws = rng(self._seed, "replay", draw)
        slots = self._slots(num_prompts, version, draws)
        return [self._members(slot, num_generations, floor, draws) for slot in slots]

    def _slots(self, num_prompts: int, version: int, rng: np.random.Generator) -> list[Slot]:
        """One round of different prompts; without an age limit, further rounds until all slots are filled."""
        slots = self._round(num_prompts, version, rng)
        distinct = len(slots)
        while len(slots) < num_prompts and self._age.max_staleness is None:
            slots += self._round(num_prompts - len(slots), version, rng)
        self._file.counts["replaced"] += len(slots) - distinct
        self._file.counts["recent_short"] += sum(slot.short for slot in slots)
        return slots

    def _round(self, num_prompts: int, version: int, rng: np.random.Generator) -> list[Slot]:
        store = self._store
        floor = self._age.floor(version)
        since = store.by_arrival.bisect_left((version - self._settings.recent_window + 1,))
        recent = (p for _, p in shuffled(store.by_arrival, since, rng) if store.groups[p].newest >= floor)
        stored = (p for _, p in shuffled(store.by_newest, store.by_newest.bisect_left((floor,)), rng))
        return list(
            choose_prompts(num_prompts, self._settings.recent_probability, recent=recent, stored=stored, rng=rng)
        )

    def _members(self, slot: Slot, num_generations: int, floor: int | float, rng: np.random.Generator) -> list[Row]:
        rows = self._store.groups[slot.prompt_id].since(floor)
        self._file.counts["replaced"] += max(0, num_generations - len(rows))
        return choose_rows(
            rows, num_generations, newest=slot.newest, inverse_temperature=self._settings.reward_temperature, rng=rng
        )
