"""The n-gram guard: which runs it reads, a state by hand, and texts without a known run."""

import numpy as np
import pytest
import torch

from steelyard.guard.ngrams import NgramGuard, frequent, runs


def test_runs_by_hand() -> None:
    assert runs("a b a", 3) == ["a", "b", "a", "a b", "b a", "a b a"]
    assert runs("a", 4) == ["a"]
    assert runs(" ", 4) == []


def test_the_most_frequent_runs_come_first() -> None:
    assert frequent(["a b", "a b", "a c"], 2, 3) == ["a", "a b", "b"]


def test_a_ruling_by_hand() -> None:
    guard = NgramGuard(["not", "good", "not good"], width=1, seed=0)
    for parameter, value in zip(guard.parameters(), (None, 2.0, 0.0, 1.0, 0.5), strict=True):
        parameter.data.fill_(value) if value is not None else None
    guard.table.weight.data = torch.tensor([[0.3], [0.6], [-0.9]])
    ruling = guard(["not good", "good", "unknown"])
    state = [np.tanh(2 * (0.3 + 0.6 - 0.9) / 3), np.tanh(1.2), 0.0]
    assert ruling.state_ND[:, 0].tolist() == pytest.approx(state, abs=1e-6)
    assert ruling.harm_N.tolist() == pytest.approx([1 / (1 + np.exp(-(s + 0.5))) for s in state])


def test_single_words_cannot_tell_an_order_and_runs_can() -> None:
    words = NgramGuard(["a", "b"], width=4, seed=0)
    pairs = NgramGuard(["a", "b", "a b", "b a"], width=4, seed=0)
    assert words(["a b"]).harm_N == words(["b a"]).harm_N
    assert pairs(["a b"]).harm_N != pairs(["b a"]).harm_N


def test_no_text_and_no_vocabulary() -> None:
    assert NgramGuard(["a"], width=3, seed=0)([]).state_ND.shape == (0, 3)
    guard = NgramGuard([], width=3, seed=0)
    assert guard.longest == 0
    assert guard(["a b"]).harm_N.shape == (1,)


def test_dropout_is_drawn_and_leaves_readers_alone() -> None:
    guard = NgramGuard(["a", "b", "a b"], width=8, seed=0)
    read = [guard.read("a b")]
    plain = guard.state(read)
    thinned = guard.state(read, 0.5, np.random.default_rng(0))
    again = guard.state(read, 0.5, np.random.default_rng(0))
    assert torch.equal(thinned, again)
    assert not torch.equal(thinned, plain)
    assert torch.equal(guard(["a b"]).state_ND, plain)
