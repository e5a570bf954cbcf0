"""LAF: both losses by hand, a class that a small network forgets, and what is refused."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from steelyard.core import SteelyardError
from steelyard.guard import LAF
from steelyard.guard.laf import Autoencoder, Parts, alignment, unlike

FEW = LAF(coding_epochs=3, epochs=4, batch=16, unlearn_rate=5e-3, align_rate=1e-2)


def network():
    """A network of four corners of a square, which learned them; and its parts."""
    draws = torch.Generator().manual_seed(0)
    label = torch.arange(4).repeat(16)
    read = torch.stack([label % 2, label // 2], 1) * 4.0 - 2 + 0.3 * torch.randn(64, 2, generator=draws)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        body, head = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 16)), nn.Linear(16, 4)
    adam = torch.optim.Adam([*body.parameters(), *head.parameters()], lr=1e-2)
    for _ in range(100):
        adam.zero_grad()
        nn.functional.cross_entropy(head(body(read)), label).backward()
        adam.step()
    return read, label, body, head, Parts(lambda of: body(read[of]), head, [*body.parameters()], [*head.parameters()])


def places(chosen):
    return chosen.nonzero()[:, 0]


def test_unlikeness_by_hand():
    # M is 1 of the kept and 3 of the forgotten: e^(1/2) - e^(3/4).
    zero = torch.zeros(1, 3)
    found = unlike(zero, torch.tensor([[1.0, 0.0, 0.0]]), zero, torch.ones(1, 3))
    assert float(found) == pytest.approx(math.exp(0.5) - math.exp(0.75))


def test_alignment_by_hand():
    # Kept .5 and .1; forgotten 1 and 1 at tau 2: .6 - 2 (1/2 + log 2).
    found = alignment(torch.tensor([0.5, 0.1]), torch.tensor([1.0, 1.0]), 2.0)
    assert float(found) == pytest.approx(0.6 - 2 * (0.5 + math.log(2)))


def test_an_autoencoder_without_noise_or_prior_is_a_plain_one():
    code = Autoencoder(8, 2, seed=0)
    with torch.no_grad():
        code.spread.weight.zero_()
        code.spread.bias.fill_(-80.0)
    e = torch.randn(5, 8, generator=torch.Generator().manual_seed(1))
    loss = code.loss(e, 0.0, torch.Generator().manual_seed(2))
    torch.testing.assert_close(loss, (code(e) - e).square().sum(1).mean())


def test_a_corner_is_forgotten_and_the_head_stays():
    read, label, body, head, parts = network()
    before = head.weight.detach().clone()
    forget, keep = places(label == 3), places(label != 3)
    fit = replace(FEW, epochs=60, temperature=2.0).begin(parts, forget, keep, seed=0)
    fit.run()
    right = (head(body(read)).argmax(-1) == label).float()
    assert float(right[forget].mean()) < 0.3
    assert float(right[keep].mean()) > 0.9
    assert torch.equal(head.weight, before)
    assert all(p.grad is None for p in parts.extractor)


def test_at_next_to_no_rate_nothing_changes_and_the_repair_moves_the_head_alone():
    _, label, body, head, parts = network()
    before = [p.detach().clone() for p in (*body.parameters(), head.weight)]
    forget, keep = places(label == 3), places(label != 3)
    slow = replace(FEW, unlearn_rate=1e-12, align_rate=1e-12, repair=5, repair_rate=0.1)
    slow.begin(parts, forget, keep, seed=0, labelled=(keep, label[keep])).run()
    for p, was in zip(body.parameters(), before, strict=False):
        torch.testing.assert_close(p.detach(), was)
    assert not torch.allclose(head.weight, before[-1])


def test_it_goes_on_where_it_was_saved(tmp_path):
    ends = []
    for stops in (False, True):
        _, label, body, _, parts = network()
        fit = FEW.begin(parts, places(label == 3), places(label != 3), seed=0)
        if stops:
            fit.restore(tmp_path)
        else:
            assert fit.num_steps == 1 + 4 * 1
            fit.step()
            fit.step()
            fit.save(tmp_path)
        fit.run()
        ends.append([p.detach().clone() for p in body.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*ends, strict=True))
    (tmp_path / "laf.safetensors").write_bytes(b"no")
    with pytest.raises(SteelyardError, match="holds no forgetting of this classifier"):
        fit.restore(tmp_path)


def test_a_limit_of_steps_and_what_is_refused():
    _, label, _, _, parts = network()
    forget, keep = places(label == 3), places(label != 3)
    assert FEW.begin(parts, forget, keep, seed=0, most=2).num_steps == 2
    with pytest.raises(SteelyardError, match="there is nothing to forget"):
        FEW.begin(parts, forget[:0], keep, seed=0)
    with pytest.raises(SteelyardError, match="nothing is kept"):
        FEW.begin(parts, forget, keep[:0], seed=0)
    with pytest.raises(SteelyardError, match="--repair: is 3, and nothing has a label"):
        replace(FEW, repair=3).begin(parts, forget, keep, seed=0)
