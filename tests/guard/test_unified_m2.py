"""Several tasks learn together: the loss, which texts a step takes, and that one task alone is plain fine-tuning."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from steelyard.core import SteelyardError
from steelyard.guard import UnifiedM2
from steelyard.guard.task_texts import TaskTexts
from steelyard.guard.unified_m2 import TaskHead


def task(number, labels=2):
    return TaskTexts(tuple("abc"[:labels]), [str(i) for i in range(number)], torch.arange(number) % labels)


class Net(nn.Module):
    """A head for each task, on one number of a text."""

    def __init__(self, *tasks, dropout=0.0):
        super().__init__()
        self.shared = nn.Linear(1, 2)
        self.heads = nn.ModuleDict({name: TaskHead(2, 2, dropout, seed=1) for name in tasks})
        with torch.no_grad():
            self.shared.weight.copy_(torch.tensor([[0.3], [-0.2]]))
            self.shared.bias.zero_()

    def logits(self, task, texts):
        return self.heads[task](self.shared(torch.tensor([[float(text)] for text in texts])))


def test_the_loss_is_the_sum_over_tasks_of_each_ones_mean():
    net = Net("a", "b")
    with torch.no_grad():
        for head in net.heads.values():
            head.dense.weight.copy_(torch.eye(2))
            head.out.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    batches = {"a": task(2), "b": task(3)}

    def own(text, label):
        # The logits are tanh(.3 x) and tanh(-.2 x).
        logits = torch.tanh(torch.tensor([0.3 * text, -0.2 * text]))
        return float(cross_entropy(logits, torch.tensor(label)))

    by_hand = (own(0, 0) + own(1, 1)) / 2 + (own(0, 0) + own(1, 1) + own(2, 0)) / 3
    assert UnifiedM2().loss(net, net, batches).item() == pytest.approx(by_hand, abs=1e-6)
    assert not net.training


def test_a_task_that_is_through_waits_for_the_next_epoch():
    rule, tasks = UnifiedM2(epoch="longest", batch=4, epochs=3), {"short": task(6), "long": task(10)}
    each = rule.steps_of_epoch(tasks)
    assert (each, rule.steps(tasks)) == (3, 9)
    taken = [rule.batch_of("short", tasks["short"], step, each, 0) for step in range(6)]
    assert [len(places) for places in taken] == [4, 2, 0, 4, 2, 0]
    assert sorted(taken[0] + taken[1]) == [*range(6)] and taken[:2] != taken[3:5]


def test_by_default_the_first_task_ends_the_epoch_and_others_are_cut():
    rule, tasks = UnifiedM2(batch=4), {"short": task(6), "long": task(10)}
    each = rule.steps_of_epoch(tasks)
    assert each == 2
    taken = [rule.batch_of("long", tasks["long"], step, each, 0) for step in range(20)]
    assert all(len(places) == 4 for places in taken)
    assert {place for places in taken for place in places} == {*range(10)}, "each epoch cuts others"


def test_balanced_draws_rare_labels_as_often():
    rare = TaskTexts(("a", "b"), [str(i) for i in range(400)], (torch.arange(400) < 20).long())
    places = UnifiedM2(batch=400, balanced=True).batch_of("t", rare, 0, 1, 0)
    assert 150 < int(rare.label_N[places].sum()) < 250


def fitted(net, tasks, **changes):
    rule = replace(UnifiedM2(learning_rate=0.05, batch=4, epochs=2), **changes)
    fitting = rule.begin(net, net, tasks, seed=3)
    fitting.run()
    return net.shared.weight.detach()


def test_one_task_is_plain_fine_tuning():
    found = fitted(Net("a"), {"a": task(8)})
    net, rule = Net("a"), UnifiedM2(batch=4)
    adam = torch.optim.AdamW(net.parameters(), lr=0.05, weight_decay=0.0)
    for step in range(4):
        for group in adam.param_groups:
            group["lr"] = 0.05 * (4 - step) / 4
        part = task(8).part(rule.batch_of("a", task(8), step, 2, 3))
        adam.zero_grad()
        cross_entropy(net.logits("a", part.texts), part.label_N).backward()
        adam.step()
    torch.testing.assert_close(found, net.shared.weight.detach())


def test_another_task_moves_what_is_shared_and_dropout_repeats():
    both = {"a": task(8), "b": task(5)}
    assert not torch.equal(fitted(Net("a", "b"), both), fitted(Net("a", "b"), {"a": task(8)}))
    nets = [Net("a", dropout=0.5) for _ in range(2)]
    torch.manual_seed(5)
    state = torch.get_rng_state()
    one, same = (fitted(net, {"a": task(8)}) for net in nets)
    assert torch.equal(one, same)
    assert torch.equal(torch.get_rng_state(), state), "the global generator is left alone"


def test_wrong_input():
    net = Net("a")
    for tasks in ({}, {"a": task(0)}):
        with pytest.raises(SteelyardError, match="there is a task without texts, or none"):
            UnifiedM2().begin(net, net, tasks, seed=0)
    with pytest.raises(SteelyardError, match="dropout: is 1"):
        UnifiedM2(dropout=1.0)
