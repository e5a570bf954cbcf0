"""The buffer against a naive model that scans lists, over random histories of adds and draws."""

from collections import Counter
from dataclasses import dataclass

import hypothesis.strategies as st
import numpy as np
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from steelyard.core import Sampling, Trajectory
from steelyard.replay import Prioritised, ReplayBuffer, Store


@dataclass(eq=False)
class Kept:
    trajectory: Trajectory
    arrived: int
    seq: int

    @property
    def age(self):
        return (self.trajectory.version, self.seq)

    @property
    def twin(self):
        return (self.trajectory.prompt_id, tuple(self.trajectory.tokens_T.tolist()))


class Model:
    """The rules in their plainest form."""

    def __init__(self, config, max_staleness):
        self.config, self.max_staleness = config, max_staleness
        self.kept: list[Kept] = []
        self.counts = Counter()

    def selectable(self, trajectory, version):
        return self.max_staleness is None or version - trajectory.version <= self.max_staleness

    def add(self, trajectory, version):
        if trajectory.reward is None:
            self.counts["errors"] += 1
        elif self.config.over_age == "drop" and not self.selectable(trajectory, version):
            self.counts["refused"] += 1
        else:
            self.counts["admitted"] += 1
            self.store(Kept(trajectory, version, self.counts["admitted"]))

    def store(self, new):
        same = [k for k in self.kept if k.twin == new.twin]
        self.counts["duplicates"] += len(same)
        newest = max([*same, new], key=lambda k: k.age)
        self.kept = [k for k in self.kept if k.twin != new.twin] + [newest]
        prompt = [k for k in self.kept if k.twin[0] == new.twin[0]]
        self.shrink(prompt, self.config.capacity_per_prompt)
        self.shrink(self.kept, self.config.capacity)

    def shrink(self, among, capacity):
        if capacity is not None and len(among) > capacity:
            lowest = self.config.eviction == "lowest-reward"
            self.kept.remove(min(among, key=lambda k: (k.trajectory.reward if lowest else 0, k.age)))
            self.counts["evicted"] += 1

    def drop_over_age(self, version):
        fresh = [k for k in self.kept if self.selectable(k.trajectory, version)]
        self.counts["evicted"] += len(self.kept) - len(fresh)
        self.kept = fresh


def trajectory(prompt, answer, version, reward):
    tokens_T = np.array([answer, 1], np.int32)
    return Trajectory(prompt, tokens_T, np.ones(2, bool), np.zeros(2, np.float32), version, "d", Sampling(), "stop",
                      reward=reward)  # fmt: skip


capacities = st.none() | st.integers(1, 8)
configs = st.builds(
    Prioritised,
    capacity_per_prompt=capacities,
    capacity=capacities,
    eviction=st.sampled_from(["oldest", "lowest-reward"]),
    recent_probability=st.sampled_from([0.0, 0.5, 1.0]),
    recent_window=st.integers(1, 3),
    reward_temperature=st.sampled_from([0.0, 3.0]),
    over_age=st.sampled_from(["drop", "wait"]),
    warmup=st.integers(0, 3),
)
arrivals = st.tuples(
    st.sampled_from("abcde"), st.integers(0, 4), st.integers(0, 4), st.sampled_from([None, -1.0, 0.0, 0.5, 1.0])
)


class BufferAgainstModel(RuleBasedStateMachine):
    @initialize(config=configs, max_staleness=st.none() | st.integers(0, 4))
    def begin(self, config, max_staleness):
        self.config, self.max_staleness, self.version = config, max_staleness, 0
        self.buffer = config.open(seed=11, max_staleness=max_staleness)
        self.model = Model(config, max_staleness)

    @rule(items=st.lists(arrivals, max_size=6))
    def add(self, items):
        made = [trajectory(p, a, max(0, self.version - lag), r) for p, a, lag, r in items]
        before = self.model.counts["admitted"]
        for t in made:
            self.model.add(t, self.version)
        assert self.buffer.add(made, version=self.version) == self.model.counts["admitted"] - before

    @rule(versions=st.integers(1, 2))
    def publish(self, versions):
        self.version += versions

    @rule(num_prompts=st.integers(1, 4), num_generations=st.integers(1, 4), draw=st.integers(0, 9))
    def sample(self, num_prompts, num_generations, draw):
        bounded = self.max_staleness is not None
        if bounded and self.config.over_age == "drop":
            self.model.drop_over_age(self.version)
        clone = self.clone()
        groups = self.buffer.sample(num_prompts, num_generations, version=self.version, draw=draw)
        again = clone.sample(num_prompts, num_generations, version=self.version, draw=draw)
        fresh = [k for k in self.model.kept if self.model.selectable(k.trajectory, self.version)]
        members = Counter(k.twin[0] for k in fresh)
        enough = len(members) >= (num_prompts if bounded and self.config.over_age == "wait" else 1)
        if self.model.counts["admitted"] < self.config.warmup or not enough:
            assert groups is None
            return
        assert groups is not None and again is not None
        assert [[id(t) for t in g] for g in groups] == [[id(t) for t in g] for g in again], "a draw is a pure function"
        self.check(groups, fresh, members, num_prompts, num_generations, bounded)

    def check(self, groups, fresh, members, num_prompts, num_generations, bounded):
        prompts = Counter(g[0].prompt_id for g in groups)
        assert len(groups) == (min(num_prompts, len(members)) if bounded else num_prompts)
        assert max(prompts.values()) == -(-len(groups) // len(members)), "prompts repeat only when short, and evenly"
        selectable = {id(k.trajectory) for k in fresh}
        for group in groups:
            assert len(group) == num_generations
            assert {t.prompt_id for t in group} == {group[0].prompt_id}
            assert {id(t) for t in group} <= selectable
            distinct = {t.tokens_T.tobytes() for t in group}
            assert len(distinct) == min(num_generations, members[group[0].prompt_id])
            if bounded:
                assert all(self.version - t.version <= self.max_staleness for t in group)

    def clone(self):
        """A buffer with the same contents and none of the history: as after a resume."""
        age = self.buffer._age
        clone = ReplayBuffer(self.config, age, 11, Store(self.config.eviction))
        clone._counts["admitted"] = self.buffer._counts["admitted"]
        for row in sorted(self.buffer._store.rows.values(), key=lambda row: row.seq):
            clone._store.put(row.trajectory, row.arrived)
        return clone

    @invariant()
    def same_contents(self):
        stored = {(id(row.trajectory), row.arrived) for row in self.buffer._store.rows.values()}
        assert stored == {(id(k.trajectory), k.arrived) for k in self.model.kept}

    @invariant()
    def indexes_hold_what_is_stored(self):
        store = self.buffer._store
        for prompt_id, group in store.groups.items():
            assert group.rows == sorted(
                (r for r in store.rows.values() if r.trajectory.prompt_id == prompt_id), key=lambda r: r.age
            )
        assert store.by_newest.keys == sorted((g.newest, p) for p, g in store.groups.items())
        assert store.by_arrival.keys == sorted((max(r.arrived for r in g.rows), p) for p, g in store.groups.items())
        assert store.by_age.keys == sorted(r.age for r in store.rows.values())
        assert len(store.by_rank) == len(store.rows)

    @invariant()
    def counters_and_capacities(self):
        metrics = self.buffer.metrics()
        counts = {
            name: metrics[f"replay/{name}"] for name in ("admitted", "refused", "evicted", "duplicates", "errors")
        }
        assert counts == {name: self.model.counts[name] for name in counts}
        assert counts["admitted"] == metrics["replay/size"] + counts["evicted"] + counts["duplicates"]
        assert metrics["replay/size"] <= (self.config.capacity or float("inf"))
        sizes = Counter(k.twin[0] for k in self.model.kept)
        assert metrics["replay/prompts"] == len(sizes)
        assert all(n <= (self.config.capacity_per_prompt or float("inf")) for n in sizes.values())


BufferAgainstModel.TestCase.settings = settings(max_examples=120, stateful_step_count=25, deadline=None)
TestBufferAgainstModel = BufferAgainstModel.TestCase
