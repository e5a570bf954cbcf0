"""Sparse distillation: a student learns an order of words from a teacher's probabilities, and no label is read."""

import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.guard import SparseDistil
from steelyard.guard.distillation import Distillation
from steelyard.guard.ngrams import NgramGuard

TEXTS = [f"{a} {b} x" for a in ("not", "so") for b in ("good", "bad")] * 8
SOFT = torch.tensor([0.1 if ("not" in t) == ("good" in t) else 0.9 for t in TEXTS])
WRONG = SOFT < 0.5


def taught(rule: SparseDistil, *, seed: int = 0) -> NgramGuard:
    student = rule.student(TEXTS, seed=seed)
    rule.begin(student, TEXTS, SOFT, WRONG, learning_rate=0.02, seed=seed).run()
    return student


def test_pairs_of_words_learn_what_single_words_cannot() -> None:
    learning = Distillation(steps=300, batch=32)
    pairs = taught(SparseDistil(longest=2, width=8, dropout=0.0, learning=learning))
    single = taught(SparseDistil(longest=1, width=1, dropout=0.0, learning=learning))
    assert (pairs(TEXTS).harm_N - SOFT).abs().max() < 0.1, "the labels, which say the opposite, are not read"
    assert (single(TEXTS).harm_N - SOFT).abs().max() > 0.3


def test_the_vocabulary_is_what_is_frequent_in_the_texts() -> None:
    student = SparseDistil(longest=2, grams=3).student(["a b", "a b", "a c"], seed=0)
    assert student.grams == ("a", "a b", "b")


def test_equal_seeds_repeat() -> None:
    rule = SparseDistil(width=4, dropout=0.3, learning=Distillation(steps=5, batch=4))
    one, same, other = taught(rule), taught(rule), taught(rule, seed=1)
    assert torch.equal(one.table.weight, same.table.weight)
    assert not torch.equal(one.table.weight, other.table.weight)


def test_hard_labels_alone_are_plain_training() -> None:
    rule = SparseDistil(longest=2, width=8, dropout=0.0, learning=Distillation(hard=1.0, steps=300, batch=32))
    assert ((taught(rule)(TEXTS).harm_N > 0.5) == WRONG).all()


def test_nothing_to_learn_from_is_refused() -> None:
    rule = SparseDistil()
    with pytest.raises(SteelyardError, match="there are no texts"):
        rule.begin(rule.student([], seed=0), [], torch.zeros(0), torch.zeros(0, dtype=torch.bool), seed=0)
