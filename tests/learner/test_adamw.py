from types import SimpleNamespace

import pytest
import torch
from torch import nn

from steelyard.learner import adamw
from steelyard.learner.adamw import AdamW, fused, plain, update_for


@pytest.fixture
def unprobed():
    """The probe runs again inside the test, and again after it."""
    update_for.cache_clear()
    yield
    update_for.cache_clear()


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


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_the_fallback_is_the_kernel_but_for_rounding(monkeypatch, dtype, decay):
    assert update_for("cpu", dtype) is fused
    one, two = _parameters(dtype), _parameters(dtype)
    generator = torch.Generator().manual_seed(4)
    for parameters, update in ((one, fused), (two, plain)):
        generator.manual_seed(4)
        monkeypatch.setattr(adamw, "update_for", lambda device, dtype, update=update: update)
        optimizer = AdamW(parameters, (0.9, 0.99), decay)
        optimizer.param_groups[0]["lr"] = 0.01
        for _ in range(12):
            for p in parameters:
                p.grad = torch.empty_like(p).copy_(torch.randn(p.shape, generator=generator))  # strides as autograd's
            optimizer.step()
    # bfloat16 keeps 8 bits: a value near 2 that is rounded the other way twelve times moves by 12 / 256.
    close = {"atol": 1e-6, "rtol": 1e-5} if dtype is torch.float32 else {"atol": 0.02, "rtol": 0.02}
    for p, q in zip(one, two, strict=True):
        torch.testing.assert_close(q, p, **close if p.dtype is dtype else {"atol": 1e-6, "rtol": 1e-5})


def _refused(*arguments, **settings):
    raise RuntimeError("not implemented for this device")


def _changed(parameters, *rest, **settings):
    parameters[0].zero_()


@pytest.mark.parametrize(
    "operators", [SimpleNamespace(), SimpleNamespace(_fused_adamw_=_refused), SimpleNamespace(_fused_adamw_=_changed)],
    ids=["missing", "refused", "changed"],
)  # fmt: skip
def test_a_kernel_that_fails_the_probe_is_not_used(monkeypatch, unprobed, operators):
    monkeypatch.setattr(adamw, "torch", SimpleNamespace(**vars(torch) | {"ops": SimpleNamespace(aten=operators)}))
    assert update_for("cpu", torch.float32) is plain
    p = nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))
    optimizer = AdamW([p], (0.9, 0.99), 0.0)
    optimizer.param_groups[0]["lr"] = 0.5
    p.grad = torch.tensor([0.1, -7.0, 0.0])
    optimizer.step()
    torch.testing.assert_close(p.detach(), torch.tensor([0.5, -1.5, 3.0]))


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
