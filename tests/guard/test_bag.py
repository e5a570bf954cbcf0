import pytest
import torch

from steelyard.guard import BagGuard, Guard, f1

WORDS = ["vrozu", "glope", "zlani"]


def test_a_bag_forgets_order_and_words_that_it_does_not_know():
    guard = BagGuard(WORDS, width=4, seed=0)
    assert guard.bags(["glope vrozu", "vrozu glope glope", "blevi", ""]).tolist() == [
        [1, 1, 0], [1, 1, 0], [0, 0, 0], [0, 0, 0],
    ]  # fmt: skip
    ruling = guard(["glope vrozu", "vrozu glope"])
    assert isinstance(guard, Guard)
    assert ruling.harm_N[0] == ruling.harm_N[1]
    assert ruling.state_ND.shape == (2, 4)


def test_it_learns_and_is_the_same_for_a_seed():
    texts, harm_N = ["vrozu", "glope", "vrozu zlani", "glope zlani"], torch.tensor([True, False, True, False])
    before = torch.get_rng_state()
    one, two = (BagGuard(WORDS, width=8, seed=1).fit(texts, harm_N, texts, steps=150, seed=2) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    assert ((one(texts).harm_N > 0.9) == harm_N).all()
    assert torch.equal(one(texts).harm_N, two(texts).harm_N)


def test_f1_by_hand():
    said, true = torch.tensor([True, True, False, False]), torch.tensor([True, False, True, False])
    assert f1(said, true) == pytest.approx(0.5)  # one hit, two said, two true
    assert f1(true, true) == 1.0
    assert f1(torch.zeros(4, dtype=torch.bool), torch.zeros(4, dtype=torch.bool)) == 0.0
