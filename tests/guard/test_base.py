from dataclasses import dataclass, field

import torch

from steelyard.guard import Cascade, Guard, Ruling


@dataclass(frozen=True)
class Says:
    """A guard of one opinion, whose state is the text's length; it remembers what it was asked."""

    harm: float
    asked: list[str] = field(default_factory=list)

    def __call__(self, texts):
        self.asked.extend(texts)
        return Ruling(
            torch.full((len(texts),), self.harm), torch.tensor([[float(len(t))] for t in texts]).reshape(-1, 1)
        )


class Long:
    """Sends texts of more than three letters to the large guard."""

    def score(self, state_ND):
        return (state_ND[:, 0] / 10).clamp(max=1.0)

    def routes(self, state_ND):
        return state_ND[:, 0] > 3


def test_the_large_guard_is_asked_where_the_gate_says_and_its_answer_stands():
    small, large = Says(0.1), Says(0.9)
    cascade = Cascade(small, large, Long())
    assert isinstance(cascade, Guard)
    ruling = cascade(["ab", "abcd", "abc", "abcde"])
    assert ruling.harm_N.tolist() == torch.tensor([0.1, 0.9, 0.1, 0.9]).tolist()
    assert ruling.routed_N.tolist() == [False, True, False, True]
    assert ruling.state_ND.flatten().tolist() == [2, 4, 3, 5]
    assert (small.asked, large.asked) == (["ab", "abcd", "abc", "abcde"], ["abcd", "abcde"])


def test_who_is_never_needed_is_never_asked():
    large = Says(0.9)
    ruling = Cascade(Says(0.1), large, Long())(["a", "b"])
    assert not ruling.routed_N.any()
    assert large.asked == []
    assert len(Cascade(Says(0.1), large, Long())([]).harm_N) == 0


def test_a_cascade_of_cascades_is_a_guard():
    inner = Cascade(Says(0.1), Says(0.5), Long())
    outer = Cascade(inner, Says(0.9), Long())
    assert outer(["abcd", "a"]).harm_N.tolist() == torch.tensor([0.9, 0.1]).tolist()
