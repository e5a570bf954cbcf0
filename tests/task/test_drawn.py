from itertools import count

from steelyard.core import hash_share
from steelyard.task.drawn import distinct

SHARE = 0.4


def drawn():
    """0, 0, 1, 1, 2, 2, ..., each text twice with its turn."""
    return ((str(turn // 2), {"turn": turn}) for turn in count())


def test_the_first_distinct_prompts_of_a_split_in_order_and_of_equal_texts_the_first():
    on_train = [n for n in range(100) if hash_share(str(n)) >= SHARE]
    train = distinct(drawn(), 20, "train", SHARE)
    assert [p.text for p in train] == [str(n) for n in on_train[:20]]
    assert [p.columns["turn"] for p in train] == [2 * n for n in on_train[:20]]
    assert [p.id for p in train] == [p.text for p in train]


def test_more_prompts_begin_with_the_same_and_splits_share_none():
    few = distinct(drawn(), 5, "train", SHARE)
    assert distinct(drawn(), 9, "train", SHARE)[:5] == few
    held_out = distinct(drawn(), 30, "held-out", SHARE)
    assert {p.id for p in held_out}.isdisjoint(p.id for p in distinct(drawn(), 30, "train", SHARE))
