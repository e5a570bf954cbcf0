from types import SimpleNamespace

import pytest
import torch

from steelyard.rollout import projection as home
from steelyard.rollout.projection import Projection, _Packed, _Plain, packing_works, projection

SMALLEST = {"plain": 10**9, "packed": 0}
KINDS = {"plain": _Plain, "packed": _Packed}


@pytest.fixture(params=KINDS)
def kind(request, monkeypatch):
    monkeypatch.setattr(home, "PACKED", SMALLEST[request.param])
    return KINDS[request.param]


@pytest.fixture
def unprobed():
    """The probe runs again inside the test, and again after it."""
    packing_works.cache_clear()
    yield
    packing_works.cache_clear()


def _random(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def _assert_computes_what_its_names_say(found, weight, bias, rows, dtype):
    x, y = _random(rows, 40), _random(rows, 24)
    product = torch.nn.functional.linear(x, weight, bias)
    given = y.to(dtype).clone()
    expected = {
        "plain": (product,), "silu": (product * product.sigmoid(),),
        "gelu": (torch.nn.functional.gelu(product, approximate="tanh"),), "times": (product * y, given),
        "plus": (product + y, given),
    }  # fmt: skip
    close = {"atol": 1e-5, "rtol": 1e-5} if dtype is torch.float32 else {"atol": 0.05, "rtol": 0.03}
    for name, (value, *more) in expected.items():
        result = getattr(found, name)(x.to(dtype), *more)
        assert result.dtype is dtype
        torch.testing.assert_close(result.float(), value, **close)
    assert torch.equal(given, y.to(dtype))  # arguments are not changed


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("rows", [1, 3, 64])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_both_kinds_compute_what_their_names_say(kind, bias, rows, dtype):
    weight = _random(24, 40) / 40**0.5
    b = _random(24) if bias else None
    found = projection(weight.to(dtype), None if b is None else b.to(dtype))
    # A format that oneDNN cannot pack on this processor takes the ordinary product, and the same numbers are demanded.
    assert isinstance(found, kind if packing_works(dtype) else _Plain)
    assert isinstance(found, Projection)
    _assert_computes_what_its_names_say(found, weight, b, rows, dtype)


def test_later_changes_of_the_weight_do_not_reach_it(kind):
    weight, x = _random(8, 8), _random(2, 8)
    found = projection(weight, None)
    before = found.plain(x)
    weight.zero_()
    assert torch.equal(found.plain(x), before)


def test_large_weights_are_packed_where_that_works():
    if not packing_works(torch.float32):
        pytest.skip("torch has no oneDNN here")
    assert isinstance(projection(torch.zeros(256, 256), None), _Packed)
    assert isinstance(projection(torch.zeros(255, 256), None), _Plain)


class _Refusing:
    def _reorder_linear_weight(self, weight, rows):
        raise RuntimeError("bf16 path needs the cpu support avx512bw")


class _Wrong:
    """Operators that exist and have come to mean something else."""

    class _Pointwise:
        def __call__(self, x, weight, *rest):
            return x @ weight.t()

        def binary(self, x, y, weight, *rest):
            return x @ weight.t()

    def _reorder_linear_weight(self, weight, rows):
        return weight.clone()

    _linear_pointwise = _Pointwise()


@pytest.mark.parametrize(
    "operators", [_Refusing(), _Wrong(), SimpleNamespace()], ids=["refused", "changed", "missing"]
)  # fmt: skip
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_private_operators_that_fail_the_probe_are_not_used(monkeypatch, unprobed, operators, dtype):
    monkeypatch.setattr(home, "torch", SimpleNamespace(**vars(torch) | {"ops": SimpleNamespace(mkldnn=operators)}))
    monkeypatch.setattr(home, "PACKED", 0)
    weight, bias = _random(24, 40) / 40**0.5, _random(24)
    found = projection(weight.to(dtype), bias.to(dtype))
    assert isinstance(found, _Plain)
    _assert_computes_what_its_names_say(found, weight, bias, 3, dtype)


def test_without_one_dnn_nothing_is_packed(monkeypatch, unprobed):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert not packing_works(torch.float32)


def test_by_hand(kind):
    found = projection(torch.tensor([[1.0, 2.0], [0.0, -1.0]]), torch.tensor([0.5, 0.0]))
    x, y = torch.tensor([[3.0, 1.0]]), torch.tensor([[2.0, 4.0]])
    assert found.plain(x).tolist() == [[5.5, -1.0]]
    assert found.times(x, y).tolist() == [[11.0, -4.0]]
    assert found.plus(x, y).tolist() == [[7.5, 3.0]]
    assert found.silu(x)[0].tolist() == pytest.approx([5.47761, -0.26894], abs=1e-4)
    assert found.gelu(x)[0].tolist() == pytest.approx([5.5, -0.15881], abs=1e-4)
