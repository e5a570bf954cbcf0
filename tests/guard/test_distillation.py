"""Soft-label distillation: the loss by hand, its reduction to cross-entropy, even draws, and the learning rate."""

import numpy as np
import pytest
import torch
from torch import nn

from steelyard.core import SteelyardError
from steelyard.guard.distillation import Distillation

Z = torch.tensor([0.0, 2.0])
SOFT = torch.tensor([0.8, 0.5])
HARM = torch.tensor([True, False])


def test_by_hand() -> None:
    p = Z.sigmoid().double()
    q = SOFT.double()
    kl = (q * (q / p).log() + (1 - q) * ((1 - q) / (1 - p)).log()).mean()
    ce = -(p[0].log() + (1 - p[1]).log()) / 2
    assert Distillation().loss(Z, SOFT, HARM).item() == pytest.approx(kl.item(), abs=1e-6)
    assert Distillation(hard=0.5).loss(Z, SOFT, HARM).item() == pytest.approx((kl + ce).item() / 2, abs=1e-6)


def test_labels_as_teacher_or_labels_alone_are_cross_entropy() -> None:
    taught = Distillation().loss(Z, HARM.float(), HARM)
    assert taught.item() == pytest.approx(Distillation(hard=1.0).loss(Z, SOFT, HARM).item())


def test_a_student_that_agrees_has_no_loss_and_no_gradient() -> None:
    z = torch.logit(SOFT).requires_grad_()
    loss = Distillation().loss(z, SOFT, HARM)
    loss.backward()
    assert z.grad is not None
    assert loss.item() == pytest.approx(0.0, abs=1e-6)
    assert z.grad.abs().max() < 1e-6


def test_even_draws_by_hand() -> None:
    chances = Distillation(balanced=True).chances(torch.tensor([True, False, False, False]))
    assert chances is not None
    assert chances.tolist() == pytest.approx([1 / 2, 1 / 6, 1 / 6, 1 / 6])
    assert Distillation().chances(HARM) is None
    with pytest.raises(SteelyardError, match="all texts have one label"):
        Distillation(balanced=True).chances(torch.tensor([True, True]))


def test_the_learning_rate_rises_and_falls() -> None:
    rise = Distillation(warmup=0.5).rise
    assert [rise(x) for x in (0.0, 0.25, 0.5, 0.75, 1.0)] == [0.0, 0.5, 1.0, 0.5, 0.0]
    assert Distillation(warmup=0.0).rise(0.0) == 1.0
    assert Distillation(warmup=1.0).rise(0.5) == 0.5


def test_a_fit_learns_what_the_teacher_says() -> None:
    net = nn.Linear(1, 1)
    x_N = torch.linspace(-2, 2, 32)
    soft_N = (3 * x_N).sigmoid()
    adam = torch.optim.AdamW(net.parameters(), lr=0.1, weight_decay=0.0)
    Distillation(steps=300, batch=32).begin(
        net, adam, lambda of: net(x_N[of, None]).squeeze(-1), soft_N, soft_N > 0.5,
        learning_rate=0.1, draws=np.random.default_rng(0),
    ).run()  # fmt: skip
    assert net.weight.item() == pytest.approx(3.0, abs=0.3)


def test_no_texts_are_refused() -> None:
    with pytest.raises(SteelyardError, match="there are no texts to learn from"):
        Distillation().begin(
            nn.Linear(1, 1), torch.optim.SGD(nn.Linear(1, 1).parameters()), lambda of: torch.zeros(len(of)),
            torch.zeros(0), torch.zeros(0, dtype=torch.bool), learning_rate=0.1, draws=np.random.default_rng(0),
        )  # fmt: skip
