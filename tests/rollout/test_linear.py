import pytest
import torch

from steelyard.rollout import linear as home
from steelyard.rollout.linear import Linear, linear

KINDS = {"plain": 10**9, "packed": 0}


@pytest.fixture(params=KINDS)
def kind(request, monkeypatch):
    monkeypatch.setattr(home, "PACKED", KINDS[request.param])
    return {"plain": home._Plain, "packed": home._Packed}[request.param]


def _random(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("rows", [1, 3, 64])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_both_kinds_compute_what_their_names_say(kind, bias, rows, dtype):
    weight, b = _random(24, 40) / 40**0.5, _random(24) if bias else None
    x, y = _random(rows, 40), _random(rows, 24)
    found = linear(weight.to(dtype), None if b is None else b.to(dtype))
    assert isinstance(found, kind)
    assert isinstance(found, Linear)
    product, given = torch.nn.functional.linear(x, weight, b), y.to(dtype).clone()
    expected = {
        "plain": (product,), "silu": (product * product.sigmoid(),), "times": (product * y, given),
        "plus": (product + y, given),
    }  # fmt: skip
    close = {"atol": 1e-5, "rtol": 1e-5} if dtype is torch.float32 else {"atol": 0.05, "rtol": 0.03}
    for name, (value, *more) in expected.items():
        result = getattr(found, name)(x.to(dtype), *more)
        assert result.dtype is dtype
        torch.testing.assert_close(result.float(), value, **close)
    assert torch.equal(given, y.to(dtype))  # what is given is left alone


def test_later_changes_of_the_weight_do_not_reach_it(kind):
    weight, x = _random(8, 8), _random(2, 8)
    found = linear(weight, None)
    before = found.plain(x)
    weight.zero_()
    assert torch.equal(found.plain(x), before)


def test_large_weights_are_laid_out_for_one_dnn():
    if not torch.backends.mkldnn.is_available():
        pytest.skip("torch has no oneDNN here")
    assert isinstance(linear(torch.zeros(256, 256), None), home._Packed)
    assert isinstance(linear(torch.zeros(255, 256), None), home._Plain)


def test_by_hand(kind):
    found = linear(torch.tensor([[1.0, 2.0], [0.0, -1.0]]), torch.tensor([0.5, 0.0]))
    x, y = torch.tensor([[3.0, 1.0]]), torch.tensor([[2.0, 4.0]])
    assert found.plain(x).tolist() == [[5.5, -1.0]]
    assert found.times(x, y).tolist() == [[11.0, -4.0]]
    assert found.plus(x, y).tolist() == [[7.5, 3.0]]
    assert found.silu(x)[0].tolist() == pytest.approx([5.47761, -0.26894], abs=1e-4)
