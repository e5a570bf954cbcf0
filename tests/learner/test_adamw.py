import pytest
import torch
from torch import nn

from steelyard.learner.adamw import AdamW


def _parameters(dtype):
    generator = torch.Generator().manual_seed(3)
    made = [torch.randn(shape, generator=generator) for shape in ((5, 3), (7,), (4, 6), (2, 2))]
    made[2] = made[2].t()
    return [nn.Parameter(p.to(dtype)) for p in made[:3]] + [nn.Parameter(made[3])]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_it_is_torch_s_own_bit_for_bit(dtype, decay):
    ours, theirs = _parameters(dtype), _parameters(dtype)
    one = AdamW(ours, (0.9, 0.99), decay)
    two = torch.optim.AdamW(theirs, lr=0.0, betas=(0.9, 0.99), weight_decay=decay, fused=True)
    generator = torch.Generator().manual_seed(4)
    for step in range(12):
        one.zero_grad()
        two.zero_grad(set_to_none=True)
        for group in (one.param_groups[0], two.param_groups[0]):
            group["lr"] = 0.01 * (step + 1)
        for i, (p, q) in enumerate(zip(ours, theirs, strict=True)):
            if (i + step) % 3:  # not every parameter has a gradient each time, and some only later
                gradient = torch.randn(p.shape, generator=generator).to(p.dtype)
                p.grad, q.grad = gradient.clone(), gradient.clone()
        one.step()
        two.step()
    for p, q in zip(ours, theirs, strict=True):
        assert torch.equal(p, q)
        assert one.state[p].keys() == two.state[q].keys()
        for key, value in two.state[q].items():
            assert torch.equal(one.state[p][key], value)
            assert one.state[p][key].dtype == value.dtype


def test_the_first_update_is_the_learning_rate_times_the_sign():
    p = nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))
    optimizer = AdamW([p], (0.9, 0.99), 0.0)
    optimizer.param_groups[0]["lr"], p.grad = 0.5, torch.tensor([0.1, -7.0, 0.0])
    optimizer.step()
    torch.testing.assert_close(p.detach(), torch.tensor([0.5, -1.5, 3.0]))


def test_without_a_gradient_nothing_moves_and_nothing_is_remembered():
    p = nn.Parameter(torch.ones(2))
    optimizer = AdamW([p], (0.9, 0.99), 0.1)
    optimizer.step()
    assert torch.equal(p.detach(), torch.ones(2))
    assert optimizer.state == {}
