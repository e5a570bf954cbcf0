"""Prioritized replay by reward or recency, for objectives that need no importance ratio on old data.

Differs: recency is a window of W versions, because there are no synchronization steps to count. A recent prompt gives
exactly its G newest trajectories; the published code draws among the newest. When no recent prompt is left, any stored
prompt gives its newest. A short group repeats its members evenly, not at random. The removal of near-duplicates comes
from arXiv:2405.18540: of two nearly equal completions only the better stays. `protected_per_prompt` is ours. In that
paper half of the batches bypass the buffer; here the newest trajectories are exempt from eviction and deduplication.
FreshPER's decay by age (arXiv:2604.16918) is that of single trajectories in the whole buffer; here prompts decay by the
age of their newest one, and then the trajectories of a prompt by their own. What else differs there is in `priority`.

For each of the P prompt slots of a batch a coin is flipped:

    with probability m   a recent prompt (v - arrival < W for its last arrival), then its G newest trajectories
    otherwise            any stored prompt, P(x next) = exp(-l a_x) / sum over x' not yet drawn of exp(-l a_x'),
                         then G of its N by sequential softmax without replacement:
                         P(i next) = exp(b r_i - l a_i) / sum over j not yet drawn of exp(b r_j - l a_j)

P prompts, G samples per prompt, N stored trajectories of a prompt. r is the reward, b its inverse temperature, v the
learner's version, W the window in versions, l the age decay: 0, the default, leaves all ages alike. a_i = v - v_i is
the age of a trajectory in versions, a_x that of a prompt's newest. Prompts are without replacement within the batch,
and recent ones uniform. "Newest" and "oldest" compare the weights version that sampled a trajectory, then the order of
arrival. Other priorities than r are in `priority`, coins by count and groups that are partly new in `draw`, and a bound
on the effective sample size in `sample_size`.
Source: Bartoldson et al. 2025, arXiv:2503.18929.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steelyard.core import (
    NonNegative,
    NonNegativeInt,
    PositiveInt,
    Share,
    ShareBelowOne,
    Trajectory,
    checked,
    method,
    require,
    rng,
    to_bytes,
)
from steelyard.replay.admission import COUNTERS, AgeLimit, OverAge, check_finite, check_request
from steelyard.replay.database import Database
from steelyard.replay.draw import RecentSlots, Slot, choose_entries, choose_prompts, num_newest
from steelyard.replay.durable import Durable, Position, read_state
from steelyard.replay.entry import Entry
from steelyard.replay.events import Cause, Events
from steelyard.replay.metadata import ReplayMetadata
from steelyard.replay.near_duplicate import NearDuplicates
from steelyard.replay.orders import aged, shuffled
from steelyard.replay.priority import Priority, scores
from steelyard.replay.sample_size import age_limit, rate_of
from steelyard.replay.store import Eviction, Store

_COUNTERS = (*COUNTERS, "recent_short", "replaced")


@method("replay-buffer", paper="arXiv:2503.18929")
@checked("replay")
@dataclass(frozen=True)
class PrioritizedReplay:
    """Settings of the replay buffer."""

    capacity_per_prompt: PositiveInt | None = 100
    """Most trajectories stored for one prompt; None is no bound."""
    capacity: PositiveInt | None = None
    """Most trajectories stored in total; None is no bound."""
    eviction: Eviction = "oldest"
    """What a full buffer evicts first: the oldest, or the lowest reward (the oldest among equals)."""
    recent_probability: Share = 0.5
    """Probability that a prompt slot is filled by recency; otherwise it is filled by reward."""
    recent_window: PositiveInt = 4
    """A prompt is recent while its last arrival is less than this many learner versions ago."""
    recent_slots: RecentSlots = "coin"
    """How many slots of a batch are filled by recency: each by a coin of its own, or a count that is as near to their
    share recent_probability as it can be (a batch that is anchored in fresh data)."""
    newest_share: Share = 0.0
    """Share of a group drawn by reward that is its prompt's newest trajectories; the rest is drawn from the others."""
    reward_temperature: NonNegative = 0.0
    """Inverse temperature of the softmax of reward that chooses trajectories; 0 is uniform. With another priority its
    exponent."""
    priority: Priority = "reward"
    """What trajectories are chosen by: exp of the reward times reward_temperature; or, to the power of
    reward_temperature, the reward's size or that of its distance to the mean of the prompt's stored trajectories."""
    age_decay: NonNegative = 0.0
    """Rate (1 / version) at which a prompt, and a trajectory among those of its prompt, is drawn less often as it ages,
    where it is drawn by reward; 0 leaves all ages alike."""
    min_ess: ShareBelowOne = 0.0
    """Least effective sample size of a step, as a share of its trajectories: what is too old for it, judged by the
    learner's last step, is not drawn, unless fewer prompts than a step needs are left. 0 is no bound."""
    over_age: OverAge = "drop"
    """Data beyond max_staleness: drop it and train on the rest, or keep it and wait for newer data."""
    warmup: NonNegativeInt = 0
    """Trajectories admitted before the first draw."""
    near_duplicate_threshold: ShareBelowOne = 0.0
    """Completions of a prompt are near-duplicates if their edit distance is below this share of their summed lengths.
    0 removes exact duplicates only."""
    protected_per_prompt: NonNegativeInt = 0
    """Newest trajectories of each prompt that are not counted against a capacity, evicted, or deduplicated."""

    def __post_init__(self) -> None:
        share = self.near_duplicate_threshold
        bounded = self.capacity is not None or self.capacity_per_prompt is not None
        what = f"is {share}, and no capacity bounds the buffer"
        hint = "give a capacity: every arrival is compared with all that its prompt has"
        require(share == 0 or bounded, what, where="replay.near_duplicate_threshold", hint=hint)
        powered = self.priority == "reward" or self.reward_temperature > 0
        what = f"is {self.priority}, and reward_temperature is 0: all trajectories are alike"
        require(powered, what, where="replay.priority", hint="give reward_temperature, the exponent of the priority")

    def open(self, *, seed: int, max_staleness: int | None = None, path: Path | None = None) -> "ReplayBuffer":
        """An empty buffer, or the one that `path` holds.

        Args:
            seed: seed of all draws.
            max_staleness: most versions by which a trajectory may lag behind the learner; None is no bound.
            path: the file; None stores everything in memory.

        Raises:
            SteelyardError: the file is open elsewhere, damaged, not a replay's, or was begun with other settings.
        """
        AgeLimit(max_staleness, self.over_age)
        return ReplayBuffer(Database.open(path, ReplayMetadata(self, seed, max_staleness)))


class ReplayBuffer(Durable):
    """The live buffer: the one place that decides what is admitted, selected and evicted.

    Every arrival is counted once: as refused, of unknown version, an error, or admitted. Every admitted trajectory is
    stored, evicted, or replaced by a duplicate. A draw is a function of the stored data, the seed, and the arguments of
    `sample`. It costs O(log N) in the N trajectories stored, and O(n) in the n of each prompt drawn, which
    `capacity_per_prompt` bounds.
    """

    @classmethod
    def open(cls, path: Path) -> "ReplayBuffer":
        """Continue an existing file with its own settings.

        Raises:
            SteelyardError: the file is missing, or cannot be continued.
        """
        return cls(Database.existing(path, PrioritizedReplay))

    def _load(self, entries: list[Entry]) -> None:
        metadata = self._file.metadata
        settings: PrioritizedReplay = metadata.settings
        self._settings = settings
        self._seed = metadata.seed
        self._age = AgeLimit(metadata.max_staleness, settings.over_age)
        self._store = Store(
            settings.eviction,
            by_age=self._age.drops,
            by_eviction=settings.capacity is not None,
            protected=settings.protected_per_prompt,
        )
        self._store.load(entries)
        self._rate = self._file.last_rate() if settings.min_ess else None
        threshold = settings.near_duplicate_threshold
        self._near_duplicates = NearDuplicates(threshold) if threshold else None
        if self._near_duplicates is not None:
            known = self._file.trajectories(entries, once=True)
            self._near_duplicates.load((entry, known[entry.seq]) for entry in entries)

    def add(self, trajectories: Sequence[Trajectory], *, version: int) -> int:
        """Store trajectories that arrive while the learner is at `version`; returns how many were admitted.

        They are in the file when this returns. A trajectory without a reward is counted as an error and not stored. One
        of weights that are not in the ledger is counted as `unknown_version`. Under "drop" an over-age one is refused.

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
        if not self.knows(trajectory):
            counts["unknown_version"] += 1
        elif trajectory.reward is None:
            counts["errors"] += 1
        elif self._age.refuses(trajectory, version):
            counts["refused"] += 1
        else:
            counts["admitted"] += 1
            self._admit(events.put(trajectory, version, body), trajectory, events)

    def _admit(self, entry: Entry, trajectory: Trajectory, events: Events) -> None:
        replaced = self._store.put(entry)
        if replaced is not None:
            self._drop(replaced, events, "duplicates", stored=False)
        if replaced is entry:
            return
        if self._near_duplicates is not None:
            self._near_duplicates.put(entry, trajectory)
        unprotected = self._store.unprotected_by(entry)
        if unprotected is not None:
            self._enforce_limits(unprotected, events)

    def _enforce_limits(self, unprotected: Entry, events: Events) -> None:
        """Deduplicate an entry that has just become evictable, and evict what is now over a capacity."""
        store = self._store
        capacity = self._settings.capacity
        per_prompt = self._settings.capacity_per_prompt
        evictable = store.evictable(unprotected.prompt_id)
        duplicate = None if self._near_duplicates is None else self._near_duplicates.find(unprotected, evictable)
        if duplicate is not None:
            self._drop(min(unprotected, duplicate, key=lambda e: (e.reward, -e.seq)), events, "duplicates")
        elif per_prompt is not None and len(evictable) > per_prompt:
            self._drop(store.first_evicted_of(unprotected.prompt_id), events, "evicted")
        if capacity is not None and len(store.by_eviction) > capacity:
            self._drop(store.first_evicted(), events, "evicted")

    def _drop(self, entry: Entry, events: Events, why: Cause, *, stored: bool = True) -> None:
        if stored:
            self._store.remove(entry)
        if self._near_duplicates is not None:
            self._near_duplicates.remove(entry)
        events.remove(entry, why)
        self._file.counts["evicted" if why == "over-age" else why] += 1

    def sample(
        self, num_prompts: int, num_generations: int, *, version: int, draw: int
    ) -> list[list[Trajectory]] | None:
        """Draw P groups of G trajectories for the learner's step at `version`, or None if the learner must wait.

        It must wait until `warmup` trajectories were admitted and something is selectable; under "wait", until P
        prompts have selectable data. When fewer than P prompts have data, "drop" returns fewer groups, and without a
        bound prompts repeat. Trajectories repeat in a group only if their prompt has fewer than G. `draw` is the number
        of the draw, from which its random numbers are derived. The file keeps which trajectories were drawn.
        """
        check_request(num_prompts, num_generations)
        with self._file.transaction() as events:
            chosen = self._choose(num_prompts, num_generations, version, draw, events)
            found = self._file.trajectories(entry for group in chosen or () for entry in group)
            if chosen is not None:
                events.draw(entry for group in chosen for entry in group)
        return None if chosen is None else [[found[entry.seq] for entry in group] for group in chosen]

    def report(self, metrics: Mapping[str, object]) -> None:
        """Take note of the learner's last step: under `min_ess` it says how old the data of the next draws may be.

        It is in the file when this returns.

        Raises:
            SteelyardError: the file cannot be written.
        """
        rate = rate_of(metrics) if self._settings.min_ess else None
        if rate is not None:
            with self._file.transaction() as events:
                events.report(rate)
                self._rate = rate

    def metrics(self) -> Mapping[str, float]:
        """The numbers of stored trajectories and prompts, and all counters; named `replay/...`.

        Under `min_ess` also the age (versions) beyond which nothing is drawn, once it is known, and how often older
        data was let in because fewer prompts than a step needs had younger data.
        """
        self._file.check_usable()
        now = {"replay/size": float(len(self._store)), "replay/prompts": float(len(self._store.prompts))}
        now |= {f"replay/{name}": float(self._file.counts[name]) for name in _COUNTERS}
        if self._settings.min_ess:
            now["replay/ess_short"] = float(self._file.counts["ess_short"])
            if self._rate:
                now["replay/ess_age"] = age_limit(self._settings.min_ess, self._rate)
        return now

    def state(self) -> dict[str, object]:
        """The position in the file and the counters. Once this returns, all stored data survives a power cut."""
        self._file.sync()
        return {"position": self._file.position, "counts": self._file.counted}

    def restore(self, state: Mapping[str, object] | None, *, keep_later: bool) -> None:
        """Go back to `state` (None: empty), bit for bit. With `keep_later`, only check that the file reaches it.

        Raises:
            SteelyardError: the file ends before `state`, no longer holds it, or is another run's file.
        """
        at = read_state(state, Position, self._file.where)
        self._check_fits(at)
        if not keep_later:
            self._file.roll_back(at.position, at.counts)
            self._reload()

    def _choose(
        self, num_prompts: int, num_generations: int, version: int, draw: int, events: Events
    ) -> list[list[Entry]] | None:
        floor = self._age.floor(version)
        while self._age.drops and len(self._store) and (entry := self._store.oldest()).version < floor:
            self._drop(entry, events, "over-age")
        selectable = len(self._store.by_version) - self._store.by_version.bisect_left((floor,))
        enough = num_prompts if self._age.waits else 1
        if self._file.counts["admitted"] < self._settings.warmup or selectable < enough:
            return None
        floor = max(floor, self._ess_floor(num_prompts, version))
        draws = rng(self._seed, "replay", draw)
        slots = self._slots(num_prompts, version, floor, draws)
        return [self._members(slot, num_generations, floor, draws) for slot in slots]

    def _ess_floor(self, num_prompts: int, version: int) -> int | float:
        """The oldest weights version that `min_ess` lets be drawn; the newest data of P prompts is let in always."""
        if not self._rate:
            return -math.inf
        by_version = self._store.by_version
        needed = by_version[-min(num_prompts, len(by_version))][0]
        floor = version - age_limit(self._settings.min_ess, self._rate)
        self._file.counts["ess_short"] += needed < floor
        return min(needed, floor)

    def _slots(self, num_prompts: int, version: int, floor: int | float, rng: np.random.Generator) -> list[Slot]:
        """One round of different prompts; without a bound on staleness, further rounds until all slots are filled."""
        slots = self._round(num_prompts, version, floor, rng)
        distinct = len(slots)
        while len(slots) < num_prompts and self._age.max_staleness is None:
            slots += self._round(num_prompts - len(slots), version, floor, rng)
        self._file.counts["replaced"] += len(slots) - distinct
        self._file.counts["recent_short"] += sum(slot.short for slot in slots)
        return slots

    def _round(self, num_prompts: int, version: int, floor: int | float, rng: np.random.Generator) -> list[Slot]:
        store, settings = self._store, self._settings
        since = store.by_arrival.bisect_left((version - settings.recent_window + 1,))
        recent = (p for _, p in shuffled(store.by_arrival, since, rng) if store.prompts[p].newest_version >= floor)
        first = store.by_version.bisect_left((floor,))
        decay = settings.age_decay
        ordered = aged(store.by_version, first, decay, rng) if decay else shuffled(store.by_version, first, rng)
        stored = (p for _, p in ordered)
        share, how = settings.recent_probability, settings.recent_slots
        return list(choose_prompts(num_prompts, share, recent=recent, stored=stored, rng=rng, recent_slots=how))

    def _members(self, slot: Slot, num_generations: int, floor: int | float, rng: np.random.Generator) -> list[Entry]:
        settings = self._settings
        entries = self._store.prompts[slot.prompt_id].since(floor)
        self._file.counts["replaced"] += max(0, num_generations - len(entries))
        if slot.newest:
            return choose_entries(entries, np.zeros(len(entries)), num_generations, num_newest=num_generations, rng=rng)
        score_N = scores(
            entries,
            priority=settings.priority,
            inverse_temperature=settings.reward_temperature,
            age_decay=settings.age_decay,
        )
        newest = num_newest(settings.newest_share, num_generations)
        return choose_entries(entries, score_N, num_generations, num_newest=newest, rng=rng)
