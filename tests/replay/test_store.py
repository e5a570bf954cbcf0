import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.replay import Row, Store


def row(seq, prompt_id="p", *, version=0, reward=0.0, arrived=0, key=None):
    return Row(version, seq, prompt_id, arrived, reward, bytes([seq]) if key is None else key)


def store_of(*rows, eviction="oldest"):
    store = Store(eviction, aged=True, ranked=True)
    for each in rows:
        store.put(each)
    return store


ROWS = [
    row(0, "b", version=4, reward=0.5, arrived=6),
    row(1, "a", version=5, reward=0.9, arrived=5),
    row(2, "b", version=3, reward=0.5, arrived=7),
]


@pytest.mark.parametrize("how", ["one by one", "at once"])
def test_indexes_of_a_hand_worked_store(how):
    store = store_of(*(ROWS if how == "one by one" else ()), eviction="lowest-reward")
    if how == "at once":
        store.load(ROWS)
    assert list(store.by_newest) == [(4, "b"), (5, "a")]
    assert list(store.by_arrival) == [(5, "a"), (7, "b")]
    assert [r.seq for r in store.by_age] == [2, 0, 1]
    assert [r.seq for r in store.by_rank] == [2, 0, 1]
    assert store.oldest().seq == store.worst().seq == store.worst_of("b").seq == 2
    assert [r.seq for r in store.groups["b"].rows] == [2, 0]
    assert [r.seq for r in store.groups["b"].since(4)] == [0]
    assert store.groups["b"].since(float("-inf")) == store.groups["b"].rows


def test_the_rank_is_by_reward_then_age():
    store = store_of(row(0, reward=0.5), row(1, reward=0.1, version=2), row(2, reward=0.1), eviction="lowest-reward")
    assert [r.seq for r in store.by_rank] == [2, 1, 0]
    assert store_of(row(0, version=2, reward=0.0), row(1, version=1, reward=0.9)).worst().seq == 1


def test_an_index_that_is_not_asked_for_is_not_kept():
    store = Store("oldest", aged=False, ranked=False)
    store.put(row(0))
    assert not store.by_age and not store.by_rank and len(store) == 1
    store.remove(row(0))
    assert not len(store)


def test_removing_the_latest_arrival_gives_back_the_one_before():
    first, second = row(0, version=1, arrived=2), row(1, version=2, arrived=9)
    store = store_of(first, second)
    store.remove(second)
    assert (list(store.by_arrival), list(store.by_newest)) == ([(2, "p")], [(1, "p")])
    store.remove(first)
    assert not (store.groups or store.by_key or store.by_arrival or store.by_newest or store.by_age or store.by_rank)


@pytest.mark.parametrize(("first", "second", "kept"), [(1, 2, 1), (2, 1, 0), (1, 1, 1)])
def test_of_two_equal_token_sequences_the_newer_stays(first, second, kept):
    twins = [row(0, version=first, key=b"k"), row(1, version=second, key=b"k")]
    store = Store("oldest", aged=True, ranked=True)
    assert store.put(twins[0]) is None
    assert store.put(twins[1]) is twins[1 - kept]
    assert store.groups["p"].rows == [twins[kept]] and store.by_key == {b"k": twins[kept]}


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.integers(0, 5), st.integers(0, 4)), max_size=30)
)
def test_loading_at_once_is_putting_one_by_one(script):
    stored = store_of()
    for seq, (prompt_id, version, arrived, answer) in enumerate(script):
        stored.put(row(seq, prompt_id, version=version, arrived=arrived, key=f"{prompt_id}{answer}".encode()))
    loaded = store_of()
    loaded.load(sorted(stored.by_key.values(), key=lambda r: r.seq))
    for name in ("by_newest", "by_arrival", "by_age", "by_rank"):
        assert list(getattr(loaded, name)) == list(getattr(stored, name))
    assert {p: (g.rows, g.arrived) for p, g in loaded.groups.items()} == {
        p: (g.rows, g.arrived) for p, g in stored.groups.items()
    }
    assert loaded.by_key == stored.by_key
