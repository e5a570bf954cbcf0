"""The durable buffer against a naive model that scans lists: random histories of adds, draws, publications,
checkpoints, roll-backs, forgetting and opening the file again."""

import tempfile
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from steelyard.core import Sampling, SteelyardError, Trajectory, to_bytes
from steelyard.replay import PrioritizedReplay, ReplayBuffer, age_limit, rate_of
from steelyard.replay.inspect import open_view

COUNTERS = ("admitted", "refused", "unknown_version", "evicted", "duplicates", "errors")


@dataclass(eq=False)
class Kept:
    trajectory: Trajectory
    arrived: int
    seq: int

    @property
    def age(self):
        return (self.trajectory.version, self.seq)

    @property
    def identity(self):
        return (self.trajectory.prompt_id, tuple(self.trajectory.tokens_T.tolist()))

    @property
    def said(self):
        return self.trajectory.completion_T[:-1].tolist()

    @property
    def body(self):
        return to_bytes(self.trajectory)


class Model:
    """The rules in their plainest form."""

    def __init__(self, config, max_staleness):
        self.config, self.max_staleness = config, max_staleness
        self.kept: list[Kept] = []
        self.taken: list[tuple[str, int]] = []
        self.ledger: dict[int, str] = {}
        self.told: dict[str, float] | None = None
        """The last step that said how fast the effective sample size falls."""
        self.counts = Counter()

    def selectable(self, trajectory, version):
        return self.max_staleness is None or version - trajectory.version <= self.max_staleness

    def add(self, trajectory, version):
        if self.ledger and self.ledger.get(trajectory.version) != trajectory.digest:
            self.counts["unknown_version"] += 1
        elif trajectory.reward is None:
            self.counts["errors"] += 1
        elif self.config.over_age == "drop" and not self.selectable(trajectory, version):
            self.counts["refused"] += 1
        else:
            self.counts["admitted"] += 1
            self.taken.append((trajectory.prompt_id, trajectory.sample))
            self.store(Kept(trajectory, version, self.counts["admitted"]))

    def store(self, new):
        same = [k for k in self.kept if k.identity == new.identity]
        self.counts["duplicates"] += len(same)
        newest = max([*same, new], key=lambda k: k.age)
        self.kept = [k for k in self.kept if k.identity != new.identity] + [newest]
        of_prompt = self.of_prompt(new.identity[0])
        if newest is not new or len(of_prompt) <= self.config.protected_per_prompt:
            return
        unprotected = min(new, of_prompt[-self.config.protected_per_prompt - 1], key=lambda k: k.age)
        duplicate = self.near_duplicate(unprotected)
        if duplicate is not None:
            self.counts["duplicates"] += 1
            self.kept.remove(min(duplicate, unprotected, key=lambda k: (k.trajectory.reward, -k.seq)))
        self.shrink(self.evictable(new.identity[0]), self.config.capacity_per_prompt)
        self.shrink([k for p in {k.identity[0] for k in self.kept} for k in self.evictable(p)], self.config.capacity)

    def of_prompt(self, prompt):
        return sorted([k for k in self.kept if k.identity[0] == prompt], key=lambda k: k.age)

    def evictable(self, prompt):
        rows = self.of_prompt(prompt)
        return rows[: max(0, len(rows) - self.config.protected_per_prompt)]

    def near_duplicate(self, new):
        """Of the prompt's evictable near-duplicates the nearest, then the oldest."""
        found = [(edits(k.said, new.said), k.age, k) for k in self.evictable(new.identity[0]) if k is not new]
        near = [f for f in found if f[0] < self.config.near_duplicate_threshold * (len(f[2].said) + len(new.said))]
        return min(near, default=(0, 0, None))[2]

    def shrink(self, among, capacity):
        if capacity is not None and len(among) > capacity:
            lowest = self.config.eviction == "lowest-reward"
            self.kept.remove(min(among, key=lambda k: (k.trajectory.reward if lowest else 0, k.age)))
            self.counts["evicted"] += 1

    def drawable(self, usable, version, num_prompts):
        """Of what is usable, what the effective sample size lets be drawn, and the newest data of enough prompts."""
        if not self.config.min_ess or self.told is None or not rate_of(self.told):
            return usable
        newest = {k.identity[0]: 0 for k in usable}
        for k in usable:
            newest[k.identity[0]] = max(newest[k.identity[0]], k.trajectory.version)
        needed = sorted(newest.values(), reverse=True)[:num_prompts]
        floor = min(version - age_limit(self.config.min_ess, rate_of(self.told)), *needed)
        return [k for k in usable if k.trajectory.version >= floor]

    def drop_over_age(self, version):
        usable = [k for k in self.kept if self.selectable(k.trajectory, version)]
        self.counts["evicted"] += len(self.kept) - len(usable)
        self.kept = usable


def edits(a, b):
    if not a or not b:
        return len(a) + len(b)
    return min(edits(a[1:], b) + 1, edits(a, b[1:]) + 1, edits(a[1:], b[1:]) + (a[0] != b[0]))


def trajectory(prompt, answer, version, reward, digest, sample):
    said = [3] * (answer % 3) + [4] * (answer // 3)
    tokens_T, steps = np.array([9, *said, 1], np.int32), len(said) + 2
    return Trajectory(prompt, tokens_T, np.arange(steps) > 0, np.zeros(steps, np.float32), version, digest, Sampling(),
                      "stop", sample, reward=reward)  # fmt: skip


capacities = st.none() | st.integers(1, 6)
configs = st.builds(
    PrioritizedReplay,
    capacity_per_prompt=capacities,
    capacity=capacities,
    eviction=st.sampled_from(["oldest", "lowest-reward"]),
    recent_probability=st.sampled_from([0.0, 0.5, 1.0]),
    recent_window=st.integers(1, 3),
    reward_temperature=st.sampled_from([0.0, 3.0]),
    recent_slots=st.sampled_from(["coin", "count"]),
    newest_share=st.sampled_from([0.0, 0.0, 0.5]),
    age_decay=st.sampled_from([0.0, 0.0, 0.5, 20.0]),
    min_ess=st.sampled_from([0.0, 0.0, 0.3, 0.7]),
    over_age=st.sampled_from(["drop", "wait"]),
    warmup=st.integers(0, 3),
    protected_per_prompt=st.sampled_from([0, 0, 1, 2]),
)
related = st.builds(
    lambda config, share, priority: replace(
        config,
        near_duplicate_threshold=share if config.capacity_per_prompt or config.capacity else 0.0,
        priority=priority if config.reward_temperature else "reward",
    ),
    configs,
    st.sampled_from([0.0, 0.0, 0.25, 0.4]),
    st.sampled_from(["reward", "abs-reward", "abs-advantage"]),
)
arrivals = st.tuples(
    st.sampled_from("abcd"), st.integers(0, 5), st.integers(0, 4), st.sampled_from([None, -1.0, 0.0, 0.5, 1.0]),
    st.sampled_from(["d", "d", "d", "e"]),
)  # fmt: skip


class BufferAgainstModel(RuleBasedStateMachine):
    @initialize(config=related, max_staleness=st.none() | st.integers(0, 4))
    def begin(self, config, max_staleness):
        self.config, self.max_staleness, self.version, self.sent = config, max_staleness, 0, 0
        self.directory = tempfile.TemporaryDirectory()
        self.path = Path(self.directory.name) / "replay.sqlite"
        self.buffer = config.open(seed=11, max_staleness=max_staleness, path=self.path)
        self.model = Model(config, max_staleness)
        self.checkpoints = [None]  # (state, model, version) of each that can be gone back to; None is the beginning

    def teardown(self):
        if hasattr(self, "buffer"):
            self.buffer.close()
            with open_view(self.path) as view:
                view.verify()
            self.directory.cleanup()

    @rule(items=st.lists(arrivals, min_size=1, max_size=8))
    def add(self, items):
        made = []
        for prompt, answer, lag, reward, digest in items:
            self.sent += 1
            made.append(trajectory(prompt, answer, max(0, self.version - lag), reward, digest, self.sent))
        before = self.model.counts["admitted"]
        for t in made:
            self.model.add(t, self.version)
        assert self.buffer.add(made, version=self.version) == self.model.counts["admitted"] - before

    @rule(versions=st.integers(1, 2), enter=st.booleans())
    def publish(self, versions, enter):
        self.version += versions
        if enter:
            for version in range(self.version - versions + 1, self.version + 1):
                self.buffer.publish(version, "d")
                self.model.ledger[version] = "d"
            with pytest.raises(SteelyardError, match="is known with digest"):
                self.buffer.publish(self.version, "e")

    @rule(share=st.none() | st.sampled_from([0.25, 0.9, 1.0]), age=st.sampled_from([0.0, 0.5, 2.0]))
    def report(self, share, age):
        told = {"learner/ess": share, "batch/staleness_mean": age}
        self.buffer.report(told)
        if self.config.min_ess and share and age:
            self.model.told = told

    @rule()
    def checkpoint(self):
        self.checkpoints.append((self.buffer.state(), deepcopy(self.model), self.version))

    @precondition(lambda self: any(self.checkpoints))
    @rule(back=st.integers(1, 3))
    def roll_back(self, back):
        """To one of the last checkpoints, or to the beginning; what came after it is no more."""
        del self.checkpoints[len(self.checkpoints) - min(back, len(self.checkpoints)) + 1 :]
        state, model, version = self.checkpoints[-1] or (None, Model(self.config, self.max_staleness), 0)
        self.buffer.restore(state, keep_later=False)
        self.model, self.version = deepcopy(model), version
        assert state in (None, self.buffer.state())

    @precondition(lambda self: any(self.checkpoints))
    @rule(back=st.integers(1, 3))
    def forget(self, back):
        """What one of the last checkpoints does not need; the beginning can always be gone back to."""
        kept = [c for c in self.checkpoints if c][-back:]
        self.buffer.forget(kept[0][0])
        oldest = self.checkpoints[1][0]
        if 0 < oldest["position"] < kept[0][0]["position"]:  # position 0 is the beginning
            with pytest.raises(SteelyardError, match="has forgotten"):
                self.buffer.restore(oldest, keep_later=False)
        self.checkpoints = [None, *kept]

    @rule()
    def open_again(self):
        metrics = self.buffer.metrics()
        self.buffer.close()
        self.buffer = ReplayBuffer.open(self.path)
        assert self.buffer.metrics() == metrics

    @rule(num_prompts=st.integers(1, 4), num_generations=st.integers(1, 4), draw=st.integers(0, 9))
    def sample(self, num_prompts, num_generations, draw):
        bounded = self.max_staleness is not None
        if bounded and self.config.over_age == "drop":
            self.model.drop_over_age(self.version)
        state = self.buffer.state()
        groups = self.buffer.sample(num_prompts, num_generations, version=self.version, draw=draw)
        after = self.buffer.state()
        self.buffer.restore(state, keep_later=False)
        again = self.buffer.sample(num_prompts, num_generations, version=self.version, draw=draw)
        assert bodies(again) == bodies(groups) and self.buffer.state() == after, "going back gives the same draw"
        usable = [k for k in self.model.kept if self.model.selectable(k.trajectory, self.version)]
        members = Counter(k.identity[0] for k in usable)
        enough = len(members) >= (num_prompts if bounded and self.config.over_age == "wait" else 1)
        if self.model.counts["admitted"] < self.config.warmup or not enough:
            assert groups is None
            return
        assert groups is not None
        drawable = self.model.drawable(usable, self.version, num_prompts)
        members = Counter(k.identity[0] for k in drawable)
        clone = self.clone().sample(num_prompts, num_generations, version=self.version, draw=draw)
        assert bodies(clone) == bodies(groups), "a draw is a function of the contents, not of the history"
        self.check(groups, drawable, members, num_prompts, num_generations, bounded)

    def check(self, groups, usable, members, num_prompts, num_generations, bounded):
        prompts = Counter(g[0].prompt_id for g in groups)
        assert len(groups) == (min(num_prompts, len(members)) if bounded else num_prompts)
        assert max(prompts.values()) == -(-len(groups) // len(members)), "prompts repeat only when short, and evenly"
        selectable = {k.body for k in usable}
        for group in groups:
            assert len(group) == num_generations
            assert {t.prompt_id for t in group} == {group[0].prompt_id}
            assert {to_bytes(t) for t in group} <= selectable
            distinct = {t.tokens_T.tobytes() for t in group}
            assert len(distinct) == min(num_generations, members[group[0].prompt_id])
            if bounded:
                assert all(self.version - t.version <= self.max_staleness for t in group)

    def clone(self):
        """A buffer in memory with the same contents and none of the history."""
        config = replace(
            self.config,
            capacity=None,
            capacity_per_prompt=None,
            warmup=0,
            near_duplicate_threshold=0.0,
            protected_per_prompt=0,
        )
        clone = config.open(seed=11, max_staleness=self.max_staleness)
        for kept in sorted(self.model.kept, key=lambda k: k.seq):
            clone.add([kept.trajectory], version=kept.arrived)
        clone.report(self.model.told or {})
        return clone

    @invariant()
    def same_contents(self):
        with open_view(self.path) as view:
            stored = [(to_bytes(t), arrived) for arrived, t in view.trajectories()]
        assert stored == [(k.body, k.arrived) for k in sorted(self.model.kept, key=lambda k: k.seq)]
        assert self.buffer.newest_version() == max(self.model.ledger, default=None)
        state, model, _ = self.checkpoints[-1] or (None, Model(self.config, self.max_staleness), 0)
        assert self.buffer.admitted_since(state) == self.model.taken[len(model.taken) :]

    @invariant()
    def indexes_hold_what_is_stored(self):
        store = self.buffer._store
        entries = sorted(store.by_key.values())
        assert {e.seq for e in entries} == {e.seq for e in self.buffer._file.live()}
        for prompt_id, prompt in store.prompts.items():
            assert prompt.entries == [e for e in entries if e.prompt_id == prompt_id]
        assert list(store.by_version) == sorted((p.newest_version, id) for id, p in store.prompts.items())
        assert list(store.by_arrival) == sorted(
            (max(e.arrived for e in p.entries), id) for id, p in store.prompts.items()
        )
        assert list(store.by_age) == (entries if self.buffer._age.drops else [])
        evictable = [e for p in store.prompts for e in store.evictable(p)]
        assert sorted(store.by_eviction) == (sorted(evictable) if self.config.capacity is not None else [])

    @invariant()
    def counters_and_capacities(self):
        metrics = self.buffer.metrics()
        counts = {name: metrics[f"replay/{name}"] for name in COUNTERS}
        assert counts == {name: self.model.counts[name] for name in COUNTERS}
        assert counts["admitted"] == metrics["replay/size"] + counts["evicted"] + counts["duplicates"]
        sizes, protected = Counter(k.identity[0] for k in self.model.kept), self.config.protected_per_prompt
        assert metrics["replay/prompts"] == len(sizes)
        assert metrics["replay/size"] <= (self.config.capacity or float("inf")) + protected * len(sizes)
        assert all(n <= (self.config.capacity_per_prompt or float("inf")) + protected for n in sizes.values())


def bodies(groups):
    return groups if groups is None else [[to_bytes(t) for t in group] for group in groups]


BufferAgainstModel.TestCase.settings = settings(max_examples=80, stateful_step_count=25, deadline=None)
TestBufferAgainstModel = BufferAgainstModel.TestCase
