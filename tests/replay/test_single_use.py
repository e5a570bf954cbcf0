from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.core import Replay, SteelyardError, decode, encode
from steelyard.replay import SingleUse, SingleUseQueue


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
    assert metrics["replay/used"] == 6


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
def test_every_trajectory_is_used_at_most_once_and_in_order(make, bodies, script, num_generations):
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
    assert bodies(out) == bodies(naive_groups(added, num_generations))
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
            assert len(queue._complete) <= capacity
        m = queue.metrics()
        assert m["replay/used"] == seen.total()
        assert m["replay/admitted"] == m["replay/size"] + m["replay/evicted"] + m["replay/used"]
    assert set(seen.values()) <= {1}


# Going back


def ids(groups):
    return groups if groups is None else [[(t.prompt_id, int(t.tokens_T[1])) for t in group] for group in groups]


def test_restore_puts_every_row_where_it_stood(make, path):
    """Two complete groups, one of which aged while it filled; one that fills; arrivals are none: G is known."""
    queue = SingleUse(over_age="wait").open(seed=0, max_staleness=1, path=path)
    queue.sample(1, 2, version=0, draw=0)
    queue.add([make("a", 0), make("b", 1), make("b", 2)], version=0)
    queue.add([make("a", 3, version=5), make("c", 4, version=5)], version=5)
    state = queue.state()
    assert state["ready"] == [[2, 3], [1]] and state["filling"] == {"a": [4], "c": [5]} and state["arrivals"] == []
    assert state["num_generations"] == 2
    queue.add([make("c", 5, version=5), make("a", 6, version=5)], version=5)
    drawn = ids(queue.sample(2, 2, version=5, draw=0))
    assert drawn == [[("c", 4), ("c", 5)], [("a", 3), ("a", 6)]]
    queue.close()
    again = SingleUseQueue.open(path)
    again.restore(state, keep_later=False)
    assert again.state() == state and again.metrics()["replay/used"] == 0
    again.add([make("c", 5, version=5), make("a", 6, version=5)], version=5)
    assert ids(again.sample(2, 2, version=5, draw=0)) == drawn
    again.close()


def test_keep_later_queues_again_what_was_handed_out(make, path):
    queue = SingleUse().open(seed=0, path=path)
    queue.add([make("a", 0), make("a", 1), make("b", 2), make("b", 3)], version=0)
    assert ids(queue.sample(1, 2, version=0, draw=0)) == [[("a", 0), ("a", 1)]]
    state = queue.state()
    assert ids(queue.sample(1, 2, version=0, draw=1)) == [[("b", 2), ("b", 3)]]
    queue.add([make("c", 4), make("c", 5)], version=1)
    assert queue.metrics()["replay/used"] == 4
    queue.restore(state, keep_later=True)
    metrics = queue.metrics()
    assert (metrics["replay/used"], metrics["replay/admitted"], metrics["replay/size"]) == (2, 6, 4)
    with pytest.raises(SteelyardError, match="from 2 to 4"):
        queue.sample(1, 4, version=1, draw=1)
    assert ids(queue.sample(2, 2, version=1, draw=1)) == [[("b", 2), ("b", 3)], [("c", 4), ("c", 5)]]


def test_keep_later_cannot_give_back_what_was_forgotten(make, path):
    queue = SingleUse().open(seed=0, path=path)
    early = queue.state()
    queue.add([make("a", 0), make("b", 1)], version=0)
    queue.sample(1, 1, version=0, draw=0)
    queue.forget(queue.state())
    for state in (early, None):
        with pytest.raises(SteelyardError, match="has forgotten what was removed before event 4"):
            queue.restore(state, keep_later=True)
    assert queue.metrics()["replay/size"] == 1


def test_a_state_that_names_other_rows_is_refused(make, path):
    queue = SingleUse().open(seed=0, path=path)
    queue.add([make("a", 0), make("b", 1)], version=0)
    state = queue.state()
    for wrong in (
        {"arrivals": [1]},
        {"arrivals": [1, 2, 3]},
        {"arrivals": [1], "ready": [[7]]},
        {"filling": {"a": [9]}},
    ):
        with pytest.raises(SteelyardError, match="holds other trajectories than the checkpoint names"):
            queue.restore(state | wrong, keep_later=False)
    assert queue.metrics()["replay/size"] == 2, "and nothing has changed"
    queue.restore(state, keep_later=False)


steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("add"), st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3)), min_size=1, max_size=5)
        ),
        st.tuples(st.just("sample"), st.integers(1, 2)),
        st.tuples(st.just("newer"), st.integers(1, 2)),
    ),
    max_size=25,
)


def play(make, queue, script, version, count):
    """Run a script; returns what was handed out at each step, and the version and the count of additions after it."""
    out = []
    for kind, argument in script:
        if kind == "add":
            arrivals = [make(p, count + i, version=max(0, version - lag)) for i, (p, lag) in enumerate(argument)]
            queue.add(arrivals, version=version)
            count += len(arrivals)
        elif kind == "sample":
            out.append(ids(queue.sample(argument, 2, version=version, draw=0)))
        else:
            version += argument
    return out, version, count


@given(
    steps, steps, st.none() | st.integers(0, 2), st.sampled_from(["drop", "wait"]), st.none() | st.integers(2, 3),
    st.booleans(),
)  # fmt: skip
def test_a_restored_queue_goes_on_as_the_first_did(make, before, after, max_staleness, over_age, capacity, forget):
    queue = SingleUse(capacity=capacity, over_age=over_age).open(seed=0, max_staleness=max_staleness)
    _, version, count = play(make, queue, before, 0, 0)
    state = queue.state()
    if forget:
        queue.forget(state)
    first = play(make, queue, after, version, count)
    ended, metrics = queue.state(), queue.metrics()
    queue.restore(state, keep_later=False)
    assert queue.state() == state
    assert play(make, queue, after, version, count) == first
    assert (queue.state(), queue.metrics()) == (ended, metrics)
    queue.restore(state, keep_later=True)
    kept = queue.metrics()
    assert (
        kept["replay/admitted"]
        == metrics["replay/admitted"]
        == kept["replay/size"] + sum(state["counts"].get(name, 0) for name in ("evicted", "used"))
    )
