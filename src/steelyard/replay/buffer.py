"""Replay by reward or recency: old trajectories stay useful under an objective that needs no importance ratio.

Differs from the paper: recency is a window of W versions, for there is no synchronisation to count from; of a recent
prompt strictly the G newest are taken, where the published code draws among the newest; where no recent prompt is left,
any stored prompt gives its newest; a short group repeats its members evenly instead of at random.

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
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from steelyard.core import Trajectory, method, require, stream
from steelyard.replay.admission import COUNTERS, AgeLimit, OverAge, check_finite, check_over_age, check_request
from steelyard.replay.draw import Slot, choose_prompts, choose_rows, shuffled
from steelyard.replay.store import Eviction, Store


@method("replay-buffer", paper="arXiv:2503.18929")
@dataclass(frozen=True)
class Prioritised:
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

    def __post_init__(self) -> None:
        for name in ("capacity_per_prompt", "capacity"):
            value = getattr(self, name)
            require(value is None or value >= 1, f"{name} is {value}", where="replay", mend="use 1 or more, or none")
        for name, low in (("recent_window", 1), ("warmup", 0)):
            value = getattr(self, name)
            require(value >= low, f"{name} is {value}", where="replay", mend=f"use {low} or more")
        m, b = self.recent_probability, self.reward_temperature
        require(0 <= m <= 1, f"recent_probability is {m}", where="replay", mend="use a probability from 0 to 1")
        require(0 <= b < math.inf, f"reward_temperature is {b}", where="replay", mend="use a finite number, 0 or more")
        known = get_args(Eviction)
        require(
            self.eviction in known, f"eviction is {self.eviction!r}", where="replay", mend=f"use {' or '.join(known)}"
        )
        check_over_age(self.over_age)

    def open(self, *, seed: int, max_staleness: int | None = None) -> "ReplayBuffer":
        """An empty buffer.

        Args:
            seed: of all its draws.
            max_staleness: most versions a trajectory may lag behind the learner that trains on it; None is no bound.
        """
        return ReplayBuffer(self, AgeLimit(max_staleness, self.over_age), seed, Store(self.eviction))


class ReplayBuffer:
    """The live buffer: it alone decides what is admitted, selected and evicted.

    Every trajectory that arrives is refused, an error, or admitted; every admitted one is stored, evicted, or gave way
    to its duplicate. A draw is a function of what is stored, the seed, and the arguments of `sample`.
    """

    def __init__(self, settings: Prioritised, age: AgeLimit, seed: int, store: Store) -> None:
        self._settings, self._age, self._seed, self._store = settings, age, seed, store
        self._counts: Counter[str] = Counter()

    def add(self, trajectories: Sequence[Trajectory], *, version: int) -> int:
        """Store trajectories arriving while the learner is at `version`; returns how many were admitted.

        One whose reward is None is counted and not stored. Under "drop" one that is over age is refused.

        Raises:
            SteelyardError: a reward or log-probability is not finite; then nothing of the call is stored.
        """
        check_finite(trajectories)
        before = self._counts["admitted"]
        for trajectory in trajectories:
            if trajectory.reward is None:
                self._counts["errors"] += 1
            elif self._age.refuses(trajectory, version):
                self._counts["refused"] += 1
            else:
                self._admit(trajectory, version)
        return self._counts["admitted"] - before

    def _admit(self, trajectory: Trajectory, version: int) -> None:
        self._counts["admitted"] += 1
        if not self._store.put(trajectory, version):
            self._counts["duplicates"] += 1
            return
        store, settings, prompt_id = self._store, self._settings, trajectory.prompt_id
        if (
            settings.capacity_per_prompt is not None
            and len(store.groups[prompt_id].rows) > settings.capacity_per_prompt
        ):
            store.remove(store.worst_of(prompt_id))
            self._counts["evicted"] += 1
        if settings.capacity is not None and len(store.rows) > settings.capacity:
            store.remove(store.worst())
            self._counts["evicted"] += 1

    def sample(
        self, num_prompts: int, num_generations: int, *, version: int, draw: int
    ) -> list[list[Trajectory]] | None:
        """P groups of G trajectories for the learner's step at `version`, or None if it must wait.

        None before `warmup`, while nothing is selectable, and under "wait" until P prompts have selectable data. Under
        "drop" there are fewer than P groups when fewer prompts remain; without a bound prompts repeat instead.
        Trajectories repeat in a group only when their prompt has fewer than G. `draw` addresses the randomness.
        """
        check_request(num_prompts, num_generations)
        floor = self._age.floor(version)
        if self._age.drops:
            self._evict_before(floor)
        selectable = len(self._store.by_newest) - self._store.by_newest.start(floor)
        if self._counts["admitted"] < self._settings.warmup or selectable < (num_prompts if self._age.waits else 1):
            return None
        rng = stream(self._seed, "replay", draw)
        slots = self._slots(num_prompts, version, rng)
        return [self._members(slot, num_generations, floor, rng) for slot in slots]

    def metrics(self) -> Mapping[str, float]:
        """Trajectories and prompts now stored, and counts since the buffer was opened, named `replay/...`."""
        now = {"replay/size": float(len(self._store.rows)), "replay/prompts": float(len(self._store.groups))}
        return now | {f"replay/{name}": float(self._counts[name]) for name in COUNTERS}

    def _evict_before(self, floor: int | float) -> None:
        while self._store.rows and (row := self._store.oldest()).trajectory.version < floor:
            self._store.remove(row)
            self._counts["evicted"] += 1

    def _slots(self, num_prompts: int, version: int, rng: np.random.Generator) -> list[Slot]:
        """One round of different prompts; without an age limit, further rounds until all slots are filled."""
        slots = self._round(num_prompts, version, rng)
        distinct = len(slots)
        while len(slots) < num_prompts and self._age.max_staleness is None:
            slots += self._round(num_prompts - len(slots), version, rng)
        self._counts["replaced"] += len(slots) - distinct
        self._counts["recent_short"] += sum(slot.short for slot in slots)
        return slots

    def _round(self, num_prompts: int, version: int, rng: np.random.Generator) -> list[Slot]:
        store, floor = self._store, self._age.floor(version)
        arrivals = shuffled(
            store.by_arrival.keys, store.by_arrival.start(version - self._settings.recent_window + 1), rng
        )
        recent = (prompt_id for _, prompt_id in arrivals if store.groups[prompt_id].newest >= floor)
        stored = (prompt_id for _, prompt_id in shuffled(store.by_newest.keys, store.by_newest.start(floor), rng))
        return list(
            choose_prompts(num_prompts, self._settings.recent_probability, recent=recent, stored=stored, rng=rng)
        )

    def _members(
        self, slot: Slot, num_generations: int, floor: int | float, rng: np.random.Generator
    ) -> list[Trajectory]:
        rows = self._store.groups[slot.prompt_id].since(floor)
        self._counts["replaced"] += max(0, num_generations - len(rows))
        chosen = choose_rows(
            rows, num_generations, newest=slot.newest, inverse_temperature=self._settings.reward_temperature, rng=rng
        )
        return [row.trajectory for row in chosen]
