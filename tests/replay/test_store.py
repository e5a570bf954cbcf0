import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.replay import Entry, Store


def entry(seq, prompt_id="p", *, version=0, reward=0.0, arrived=0, key=None):
    return Entry(version, seq, prompt_id, arrived, reward, bytes([seq]) if key is None else key)


def store_of(*entries, eviction="oldest"):
    store = Store(eviction, by_age=True, by_eviction=True)
    for each in entries:
        store.put(each)
    return store


ENTRIES = [
    entry(0, "b", version=4, reward=0.5, arrived=6),
    entry(1, "a", version=5, reward=0.9, arrived=5),
    entry(2, "b", version=3, reward=0.5, arrived=7),
]


@pytest.mark.parametrize("how", ["one by one", "at once"])
def test_indexes_of_a_hand_worked_store(how):
    store = store_of(*(ENTRIES if how == "one by one" else ()), eviction="lowest-reward")
    if how == "at once":
        store.load(ENTRIES)
    assert list(store.by_version) == [(4, "b"), (5, "a")]
    assert list(store.by_arrival) == [(5, "a"), (7, "b")]
    assert [e.seq for e in store.by_age] == [2, 0, 1]
    assert [e.seq for e in store.by_eviction] == [2, 0, 1]
    assert store.oldest().seq == store.first_evicted().seq == store.first_evicted_of("b").seq == 2
    assert [e.seq for e in store.prompts["b"].entries] == [2, 0]
    assert [e.seq for e in store.prompts["b"].since(4)] == [0]
    assert store.prompts["b"].since(float("-inf")) == store.prompts["b"].entries


def test_eviction_is_by_reward_then_age():
    store = store_of(
        entry(0, reward=0.5), entry(1, reward=0.1, version=2), entry(2, reward=0.1), eviction="lowest-reward"
    )
    assert [e.seq for e in store.by_eviction] == [2, 1, 0]
    assert store_of(entry(0, version=2, reward=0.0), entry(1, version=1, reward=0.9)).first_evicted().seq == 1


def test_an_index_that_is_not_requested_is_not_maintained():
    store = Store("oldest", by_age=False, by_eviction=False)
    store.put(entry(0))
    assert not store.by_age and not store.by_eviction and len(store) == 1
    store.remove(entry(0))
    assert not len(store)


def test_removing_the_latest_arrival_restores_the_one_before():
    first, second = entry(0, version=1, arrived=2), entry(1, version=2, arrived=9)
    store = store_of(first, second)
    store.remove(second)
    assert (list(store.by_arrival), list(store.by_version)) == ([(2, "p")], [(1, "p")])
    store.remove(first)
    assert not (
        store.prompts or store.by_key or store.by_arrival or store.by_version or store.by_age or store.by_eviction
    )


@pytest.mark.parametrize(("first", "second", "kept"), [(1, 2, 1), (2, 1, 0), (1, 1, 1)])
def test_of_two_equal_token_sequences_the_newer_stays(first, second, kept):
    equals = [entry(0, version=first, key=b"k"), entry(1, version=second, key=b"k")]
    store = Store("oldest", by_age=True, by_eviction=True)
    assert store.put(equals[0]) is None
    assert store.put(equals[1]) is equals[1 - kept]
    assert store.prompts["p"].entries == [equals[kept]] and store.by_key == {b"k": equals[kept]}


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.integers(0, 5), st.integers(0, 4)), max_size=30)
)
def test_load_equals_put_one_by_one(script):
    stored = store_of()
    for seq, (prompt_id, version, arrived, answer) in enumerate(script):
        stored.put(entry(seq, prompt_id, version=version, arrived=arrived, key=f"{prompt_id}{answer}".encode()))
    loaded = store_of()
    loaded.load(sorted(stored.by_key.values(), key=lambda e: e.seq))
    for name in ("by_version", "by_arrival", "by_age", "by_eviction"):
        assert list(getattr(loaded, name)) == list(getattr(stored, name))
    assert {id: (p.entries, p.last_arrival) for id, p in loaded.prompts.items()} == {
        id: (p.entries, p.last_arrival) for id, p in stored.prompts.items()
    }
    assert loaded.by_key == stored.by_key
