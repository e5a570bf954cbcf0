import torch

from steelyard.guard import Cascade, Ruling, TextGate, TextRouter, WordRoute
from steelyard.guard.word_route import _balanced, vocabulary


class Says:
    """A guard of one opinion without hidden states."""

    def __init__(self, harm: float) -> None:
        self.harm = harm

    def __call__(self, texts):
        return Ruling(torch.full((len(texts),), self.harm), torch.zeros(len(texts), 0))


def test_words_by_hand():
    assert vocabulary(["b a", "a c", "c a"], 2) == ["a", "c"]
    assert vocabulary(["b a"], 9) == ["a", "b"], "of equally frequent words the first in the alphabet"


def test_the_rarer_class_is_repeated():
    assert _balanced(torch.tensor([True, False, False, False, False])) == [0, 0, 0, 0, 1, 2, 3, 4]
    assert _balanced(torch.zeros(2, dtype=torch.bool)) == [0, 1]


def test_a_cascade_is_routed_by_the_text_alone():
    """The small guard is wrong on texts with the word x; it has no hidden state to say so."""
    texts = [f"{'x' if i % 3 == 0 else 'o'} w{i % 5}" for i in range(90)]
    right_N = torch.tensor(["x" not in text for text in texts])
    router = WordRoute(steps=80)
    gate = router.fit_texts(texts, right_N, torch.ones(90, dtype=torch.bool), seed=1)
    assert isinstance(router, TextRouter)
    assert isinstance(gate, TextGate)
    ruling = Cascade(Says(0.1), Says(0.9), gate)(["x w1", "o w1"])
    assert ruling.routed_N is not None
    assert ruling.routed_N.tolist() == [True, False]
    assert ruling.harm_N.tolist() == torch.tensor([0.9, 0.1]).tolist()
