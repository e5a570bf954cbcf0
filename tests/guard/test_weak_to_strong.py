"""Weak-to-strong: the loss by hand, its reduction to plain fine-tuning, and edges of the threshold and of PGR."""

import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from steelyard.core import SteelyardError
from steelyard.guard import WeakToStrong
from steelyard.guard.weak_to_strong import gap_recovered

ODDS_N = torch.tensor([2.0, 1.0, -1.0, -2.0])
WEAK_N = torch.tensor([0.9, 0.1, 0.0, 0.0])  # a mean of 1/4: one of four is hardened to harmful


def test_by_hand() -> None:
    method = WeakToStrong(confidence=0.5)
    assert method.hardened(ODDS_N, WEAK_N).tolist() == [1, 0, 0, 0]
    target = torch.tensor([0.95, 0.05, 0.0, 0.0])
    p = torch.sigmoid(ODDS_N)
    by_hand = -(target * p.log() + (1 - target) * (1 - p).log()).mean()
    assert method.loss(ODDS_N, WEAK_N, 1.0).item() == pytest.approx(by_hand.item())


def test_a_half_of_the_batch_is_above_the_other_threshold() -> None:
    assert WeakToStrong(positives="half").hardened(ODDS_N, WEAK_N).tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize("progress", [0.0, 0.5])
def test_without_confidence_or_before_the_first_step_it_is_plain_fine_tuning(progress: float) -> None:
    method = WeakToStrong(confidence=0.75 if progress == 0 else 0.0)
    plain = binary_cross_entropy_with_logits(ODDS_N, WEAK_N)
    assert method.loss(ODDS_N, WEAK_N, progress).item() == pytest.approx(plain.item())


def test_the_weight_rises_over_the_warm_up_without_a_jump() -> None:
    method = WeakToStrong(confidence=0.5, warmup=0.2)
    assert [method.weight(share) for share in (0.0, 0.1, 0.2, 1.0)] == pytest.approx([0.0, 0.25, 0.5, 0.5])
    assert WeakToStrong(warmup=0.0).weight(0.0) == 0.5


def test_the_target_carries_no_gradient() -> None:
    odds_N = ODDS_N.clone().requires_grad_()
    WeakToStrong(confidence=1.0).loss(odds_N, WEAK_N, 1.0).backward()
    assert odds_N.grad is not None
    by_hand = (torch.sigmoid(ODDS_N) - torch.tensor([1.0, 0.0, 0.0, 0.0])) / 4
    assert odds_N.grad.tolist() == pytest.approx(by_hand.tolist())


def test_weak_labels_that_are_all_sure_harden_one_or_all() -> None:
    method = WeakToStrong()
    assert method.hardened(ODDS_N, torch.zeros(4)).tolist() == [1, 0, 0, 0], "the quantile is the largest"
    assert method.hardened(ODDS_N, torch.ones(4)).tolist() == [1, 1, 1, 1]


def test_the_gap_by_hand() -> None:
    assert gap_recovered(0.6, 0.7, 0.8) == pytest.approx(0.5)
    assert gap_recovered(0.6, 0.5, 0.8) == pytest.approx(-0.5)
    assert gap_recovered(0.8, 0.9, 0.8) is None


def test_a_fit_learns_and_repeats() -> None:
    x_N = torch.linspace(-2, 2, 64)
    weak_N = (x_N > 0).float() * 0.6 + 0.2

    def fitted() -> nn.Linear:
        net = nn.Linear(1, 1)
        nn.init.zeros_(net.weight)
        nn.init.zeros_(net.bias)
        method = WeakToStrong(steps=60, learning_rate=0.05)
        method.begin(net, lambda of: net(x_N[of, None]).squeeze(-1), weak_N, seed=3).run()
        return net

    first, second = fitted(), fitted()
    assert first.weight.item() > 1
    assert torch.equal(first.weight, second.weight)


@pytest.mark.parametrize(
    ("weak_N", "what"),
    [(torch.zeros(0), "there are no texts to learn from"), (torch.tensor([1.5]), "a weak label is no probability")],
)
def test_labels_that_teach_nothing_are_refused(weak_N: torch.Tensor, what: str) -> None:
    net = nn.Linear(1, 1)
    with pytest.raises(SteelyardError, match=what):
        WeakToStrong().begin(net, lambda of: net(torch.zeros(len(of), 1)).squeeze(-1), weak_N, seed=0)
