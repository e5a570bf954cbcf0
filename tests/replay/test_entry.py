import numpy as np

from steelyard.replay.entry import Entry, key_of


def test_entries_sort_by_version_then_arrival_alone():
    entries = [Entry(2, 0, "a", 0, 0.1, b"x"), Entry(1, 2, "b", 9, None, b"y"), Entry(1, 1, "c", 0, 0.9, b"z")]
    assert [e.seq for e in sorted(entries)] == [1, 2, 0]


def test_the_key_depends_on_prompt_and_tokens_alone(make):
    assert key_of(make("a", 1)) == key_of(make("a", 1, version=4, reward=0.9, sample=7))
    assert len({key_of(make("a", 1)), key_of(make("a", 2)), key_of(make("b", 1))}) == 3
    assert len(key_of(make())) == 16


def test_a_prompt_cannot_imitate_tokens(make):
    """Without the length prefix, a prompt that ends in a token's bytes would collide."""
    last = {"action_T": np.array([True]), "logp_behaviour_T": np.zeros(1, np.float32)}
    longer_name = make("a\x07\0\0\0", tokens_T=np.array([1], np.int32), **last)
    assert key_of(make("a", 1)) != key_of(longer_name)
