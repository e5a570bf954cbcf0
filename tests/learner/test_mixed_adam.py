"""Adam over a large table: only rows that were read move, dense parameters move as under AdamW, and it can go on."""

from pathlib import Path

import torch
from torch import nn

from steelyard.core import rng
from steelyard.learner.fitting import Fitting
from steelyard.learner.mixed_adam import MixedAdam


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table = nn.EmbeddingBag(5, 2, sparse=True)
        self.head = nn.Linear(2, 1)

    def loss(self, rows: list[int]) -> torch.Tensor:
        return self.head(self.table(torch.tensor([rows]))).square().sum()


def adam_of(net: Net) -> MixedAdam:
    return MixedAdam(net.head.parameters(), net.table.parameters(), lr=0.1, weight_decay=0.01)


def step(net: Net, adam: torch.optim.Optimizer, rows: list[int]) -> None:
    adam.zero_grad()
    net.loss(rows).backward()
    adam.step()


def test_only_rows_that_were_read_move() -> None:
    net = Net()
    before = net.table.weight.detach().clone()
    step(net, adam_of(net), [1, 3])
    moved = (net.table.weight.detach() != before).any(1)
    assert moved.tolist() == [False, True, False, True, False]


def test_the_first_step_moves_by_the_learning_rate() -> None:
    net = Net()
    before = net.table.weight.detach().clone()
    step(net, adam_of(net), [2])
    assert torch.allclose((net.table.weight.detach() - before)[2].abs(), torch.full((2,), 0.1), atol=1e-4)


def test_dense_parameters_move_as_under_adamw() -> None:
    one, other = Net(), Net()
    plain = torch.optim.AdamW(other.head.parameters(), lr=0.1, weight_decay=0.01)
    adam = adam_of(one)
    for rows in ([0, 1], [1], [4, 2]):
        other.table.load_state_dict(one.table.state_dict())
        step(one, adam, rows)
        step(other, plain, rows)
    assert torch.equal(one.head.weight, other.head.weight)


def test_a_learning_rate_that_is_set_counts_for_both() -> None:
    net = Net()
    adam = adam_of(net)
    for group in adam.param_groups:
        group["lr"] = 0.0
    before = [p.detach().clone() for p in net.parameters()]
    step(net, adam, [1])
    assert all(torch.equal(p, b) for p, b in zip(net.parameters(), before, strict=True))


def fitting() -> Fitting:
    net, draws = Net(), rng(3, "test")
    rows = lambda: draws.integers(5, size=2).tolist()  # noqa: E731
    return Fitting(net, adam_of(net), lambda: net.loss(rows()), draws, 6, rate=lambda step: 0.1 / (1 + step))


def test_a_fit_goes_on_from_a_checkpoint_bit_for_bit(tmp_path: Path) -> None:
    whole, cut, rest = fitting(), fitting(), fitting()
    whole.run()
    for _ in range(3):
        cut.step()
    cut.save(tmp_path)
    rest.restore(tmp_path)
    rest.run()
    assert all(torch.equal(a, b) for a, b in zip(whole.module.parameters(), rest.module.parameters(), strict=True))
