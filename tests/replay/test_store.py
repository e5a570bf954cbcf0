import pytest

from steelyard.replay import Store


def test_indexes_of_a_hand_worked_store(make):
    store = Store("lowest-reward")
    store.put(make("b", 1, version=4, reward=0.5), 6)
    store.put(make("a", 1, version=5, reward=0.9), 5)
    store.put(make("b", 2, version=3, reward=0.5), 7)
    assert store.by_newest.keys == [(4, "b"), (5, "a")]
    assert store.by_arrival.keys == [(5, "a"), (7, "b")]
    assert store.by_age.keys == [(3, 2), (4, 0), (5, 1)]
    assert store.by_rank.keys == [(0.5, 3, 2), (0.5, 4, 0), (0.9, 5, 1)]
    assert store.oldest().seq == store.worst().seq == store.worst_of("b").seq == 2
    assert [row.seq for row in store.groups["b"].rows] == [2, 0]
    assert [row.seq for row in store.groups["b"].since(4)] == [0]


def test_removing_the_latest_arrival_gives_back_the_one_before(make):
    store = Store("oldest")
    for answer, arrived in ((1, 2), (2, 9)):
        store.put(make("a", answer, version=answer), arrived)
    store.remove(store.rows[1])
    assert (store.by_arrival.keys, store.by_newest.keys) == ([(2, "a")], [(1, "a")])
    store.remove(store.rows[0])
    assert not store.groups and not store.rows and not store.by_age.keys and not store.by_rank.keys


@pytest.mark.parametrize(("first", "second", "kept"), [(1, 2, 2), (2, 1, 2), (1, 1, 1)])
def test_of_two_equal_token_sequences_the_newer_stays(make, first, second, kept):
    store = Store("oldest")
    assert store.put(make(version=first, reward=0.25), 0)
    assert not store.put(make(version=second, reward=0.75), 5)
    (row,) = store.rows.values()
    second_stays = second >= first  # of equal versions, the later arrival
    assert row.trajectory.version == kept
    assert row.trajectory.reward == (0.75 if second_stays else 0.25)
    assert row.arrived == (5 if second_stays else 0)


def test_equal_tokens_of_two_prompts_are_two_trajectories(make):
    store = Store("oldest")
    assert store.put(make("a"), 0) and store.put(make("b"), 0)
    assert len(store.rows) == 2
