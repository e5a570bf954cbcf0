from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.core import Replay, SteelyardError, decode, encode
from steelyard.replay import SingleUse


def test_a_hand_worked_queue(make, answers):
    """Groups leave in the order in which they were completed; the duplicate 1 and the failed 3 are members."""
    queue = SingleUse().open(seed=0)
    assert isinstance(queue, Replay)
    assert queue.sample(1, 2, version=0, draw=0) is None
    assert (
        queue.add([make("a", 0), make("b", 1), make("b", 1), make("a", 3, reward=None), make("b", 4)], version=0) == 5
    )
    groups = queue.sample(2, 2, version=0, draw=0)
    assert [(g[0].prompt_id, answers(g)) for g in groups] == [("b", [1, 1]), ("a", [0, 3])]
    assert [t.valid for t in groups[1]] == [True, False]
    assert queue.sample(1, 2, version=0, draw=1) is None
    queue.add([make("b", 5)], version=0)
    ((first, second),) = queue.sample(1, 2, version=0, draw=1)
    assert answers([first, second]) == [4, 5]
    metrics = queue.metrics()
    assert (metrics["replay/admitted"], metrics["replay/errors"], metrics["replay/size"]) == (6, 1, 0)
    assert metrics["replay/duplicates"] == metrics["replay/evicted"] == metrics["replay/prompts"] == 0


def test_waiting_takes_nothing(make):
    queue = SingleUse().open(seed=0)
    queue.add([make("a", 0)], version=0)
    assert queue.sample(2, 1, version=0, draw=0) is None
    queue.add([make("b", 0)], version=0)
    assert [g[0].prompt_id for g in queue.sample(2, 1, version=0, draw=0)] == ["a", "b"]


def test_the_oldest_ready_group_goes_when_over_capacity(make):
    queue = SingleUse(capacity=2).open(seed=0)
    assert queue.sample(1, 2, version=0, draw=0) is None
    for prompt_id in "abc":
        queue.add([make(prompt_id, 0), make(prompt_id, 1)], version=0)
    assert queue.metrics()["replay/evicted"] == 2 and queue.metrics()["replay/size"] == 4
    assert [g[0].prompt_id for g in queue.sample(2, 2, version=0, draw=0)] == ["b", "c"]


def test_drop_refuses_on_arrival_and_evicts_before_a_draw(make):
    queue = SingleUse().open(seed=0, max_staleness=1)
    assert queue.add([make("a", version=0), make("b", version=1), make("c", version=2)], version=2) == 2
    assert queue.sample(2, 1, version=3, draw=0) is None
    metrics = queue.metrics()
    assert (metrics["replay/refused"], metrics["replay/evicted"], metrics["replay/size"]) == (1, 1, 1)
    assert queue.sample(1, 1, version=3, draw=0)[0][0].prompt_id == "c"


def test_wait_keeps_over_age_groups_and_passes_them_over(make):
    queue = SingleUse(over_age="wait").open(seed=0, max_staleness=1)
    assert queue.add([make("a", version=0), make("b", version=3)], version=3) == 2
    assert queue.sample(2, 1, version=3, draw=0) is None
    assert queue.metrics()["replay/size"] == 2
    assert queue.sample(1, 1, version=3, draw=0)[0][0].prompt_id == "b"
    assert queue.metrics()["replay/size"] == 1


@pytest.mark.parametrize("over_age", ["drop", "wait"])
def test_a_group_that_aged_while_filling_does_not_spoil_the_next(make, answers, over_age):
    """A searcher died after one of two samples: later ones of the prompt start afresh."""
    queue = SingleUse(over_age=over_age).open(seed=0, max_staleness=0)
    queue.add([make("a", 0, version=0)], version=0)
    assert queue.sample(1, 2, version=0, draw=0) is None
    queue.add([make("a", 1, version=5), make("a", 2, version=5)], version=5)
    assert answers(queue.sample(1, 2, version=5, draw=1)[0]) == [1, 2]
    assert queue.metrics()["replay/evicted"] == (1 if over_age == "drop" else 0)


def test_plans_that_could_never_be_met_are_refused(make):
    queue = SingleUse(capacity=2).open(seed=0)
    with pytest.raises(SteelyardError, match="needs 3 groups, and capacity is 2"):
        queue.sample(3, 1, version=0, draw=0)
    queue.sample(2, 4, version=0, draw=0)
    with pytest.raises(SteelyardError, match="from 4 to 8"):
        queue.sample(2, 8, version=0, draw=1)
    with pytest.raises(SteelyardError, match="reward is inf"):
        queue.add([make(), make(reward=float("inf"))], version=0)
    assert queue.metrics()["replay/size"] == 0


def test_settings_are_checked_and_survive_json(unchecked):
    with pytest.raises(SteelyardError, match="capacity"):
        SingleUse(capacity=0)
    with pytest.raises(SteelyardError, match="over_age"):
        unchecked(SingleUse, over_age="keep")
    assert decode(encode(SingleUse(capacity=3))) == SingleUse(capacity=3)


events = st.lists(
    st.one_of(
        st.tuples(
            st.just("add"), st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([None, 0.0, 1.0])), max_size=5)
        ),
        st.tuples(st.just("sample"), st.integers(1, 3)),
    ),
    max_size=30,
)


@given(events, st.integers(1, 3))
@settings(deadline=None)
def test_every_trajectory_is_used_at_most_once_and_in_order(make, script, num_generations):
    queue, added, out = SingleUse().open(seed=0), [], []
    for kind, argument in script:
        if kind == "add":
            fresh = [make(prompt, len(added) + i, reward=reward) for i, (prompt, reward) in enumerate(argument)]
            added += fresh
            queue.add(fresh, version=0)
        else:
            groups = queue.sample(argument, num_generations, version=0, draw=0)
            assert groups is None or len(groups) == argument
            out += groups or []
    while (groups := queue.sample(1, num_generations, version=0, draw=0)) is not None:
        out += groups
    assert [[id(t) for t in g] for g in out] == [[id(t) for t in g] for g in naive_groups(added, num_generations)]
    left = Counter(t.prompt_id for t in added) - Counter(t.prompt_id for g in out for t in g)
    assert all(n < num_generations for n in left.values())
    assert queue.metrics()["replay/size"] == left.total()


def naive_groups(added, num_generations):
    """The n-th G arrivals of each prompt, in the order of their last member."""
    groups = []
    for prompt in {t.prompt_id for t in added}:
        of_prompt = [i for i, t in enumerate(added) if t.prompt_id == prompt]
        groups += [of_prompt[k : k + num_generations] for k in range(0, len(of_prompt), num_generations)]
    complete = sorted((g for g in groups if len(g) == num_generations), key=lambda g: g[-1])
    return [[added[i] for i in g] for g in complete]


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3), st.integers(0, 1)), max_size=40),
    st.integers(0, 2),
    st.sampled_from(["drop", "wait"]),
    st.none() | st.integers(1, 3),
)
@settings(deadline=None)
def test_the_age_limit_and_the_capacity_always_hold(make, script, max_staleness, over_age, capacity):
    queue = SingleUse(capacity=capacity, over_age=over_age).open(seed=0, max_staleness=max_staleness)
    version, seen = 0, Counter()
    for i, (prompt, lag, step) in enumerate(script):
        version += step
        queue.add([make(prompt, i, version=max(0, version - lag))], version=version)
        groups = queue.sample(1, 2, version=version, draw=0)
        for t in (t for g in groups or [] for t in g):
            seen[int(t.tokens_T[1])] += 1
            assert version - t.version <= max_staleness
        if capacity is not None:
            assert len(queue._ready) <= capacity
        m = queue.metrics()
        assert m["replay/admitted"] == m["replay/size"] + m["replay/evicted"] + seen.total()
    assert set(seen.values()) <= {1}
