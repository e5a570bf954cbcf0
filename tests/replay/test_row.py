import numpy as np

from steelyard.replay.row import Row, key_of


def test_rows_sort_by_version_then_arrival_alone():
    rows = [Row(2, 0, "a", 0, 0.1, b"x"), Row(1, 2, "b", 9, None, b"y"), Row(1, 1, "c", 0, 0.9, b"z")]
    assert [r.seq for r in sorted(rows)] == [1, 2, 0]


def test_the_key_names_prompt_and_tokens_and_nothing_else(make):
    assert key_of(make("a", 1)) == key_of(make("a", 1, version=4, reward=0.9, sample=7))
    assert len({key_of(make("a", 1)), key_of(make("a", 2)), key_of(make("b", 1))}) == 3
    assert len(key_of(make())) == 16


def test_a_prompt_cannot_reach_into_the_tokens(make):
    """Without the length in front, a prompt that ends like a token would hide that token."""
    last = {"action_T": np.array([True]), "logp_behaviour_T": np.zeros(1, np.float32)}
    longer_name = make("a\x07\0\0\0", tokens_T=np.array([1], np.int32), **last)
    assert key_of(make("a", 1)) != key_of(longer_name)
