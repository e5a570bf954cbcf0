import pytest
import torch

from steelyard.core import Request, Sampling, SteelyardError, Weights
from steelyard.policy import Policy
from steelyard.rollout import NativeEngine, engine_for, native
from steelyard.rollout.int8_projection import Int8, int8_works
from steelyard.searcher.logp_mismatch import compare

BASE = "steelyard/arithmetic"
needs_int8 = pytest.mark.skipif(not int8_works(), reason="torch has no 8-bit product on this processor")


def _uneven():
    """A weight and rows of 64 numbers; one channel of the weight is 300 times as large as the others."""
    source = torch.Generator().manual_seed(0)
    weight = torch.randn(96, 64, generator=source)
    weight[:, 5] *= 300
    return weight, torch.randn(7, 64, generator=source)


@needs_int8
def test_a_product_by_hand():
    # Both channels have the same balance, so weights and rows are 127 steps up or down: nothing is rounded.
    weight = torch.tensor([[127.0, -127.0], [127.0, 127.0]])
    x = torch.tensor([[1.0, 1.0], [0.5, -0.5]])
    expected = torch.tensor([[0.0, 254.0], [127.0, 0.0]])
    torch.testing.assert_close(Int8(weight).plain(x), expected, atol=1e-3, rtol=1e-5)


@needs_int8
def test_an_outlying_channel_costs_little():
    weight, x = _uneven()
    expected = x @ weight.T
    apart = (Int8(weight).plain(x) - expected).abs().mean() / expected.abs().mean()
    assert apart < 0.02  # half a step of each factor; without the balance the other channels would round to 0


@needs_int8
def test_a_row_does_not_depend_on_those_beside_it():
    weight, x = _uneven()
    made = Int8(weight)
    large = torch.cat((x, 1000 * x))
    assert torch.equal(made.plain(large)[:7], made.plain(x))
    assert torch.equal(made.plain(x[2:3])[0], made.plain(x)[2])
    assert not made.plain(torch.zeros(2, 64)).any()


@needs_int8
def test_an_engine_with_such_a_head_says_what_it_drew_from_and_the_gauge_what_that_costs():
    policy = Policy.load(BASE)
    engine = engine_for(policy, 0, int8_head=True)
    requests = [Request(f"{i}", tuple(policy.encode(f"{i}+{i}=")), i) for i in range(8)]
    made = [*engine.generate(requests, Sampling(1.0, 4))]
    plain = [*NativeEngine(policy, 0).generate(requests, Sampling(1.0, 4))]
    held = Weights.of(policy.weights(), 0)
    assert 1e-5 < compare(policy, held, made).mean < 0.05
    assert compare(policy, held, plain).mean < 1e-5


@pytest.mark.parametrize("works", [True, False])
def test_it_is_refused_where_there_is_none(monkeypatch, works):
    policy = Policy.load(BASE)
    monkeypatch.setattr(native, "int8_works", lambda: works)
    if not works:
        with pytest.raises(SteelyardError, match=r"--search\.head: is int8, but torch has no such product"):
            engine_for(policy, 0, int8_head=True)
    with pytest.raises(SteelyardError, match=r"--search\.head: is int8, but a GPU computes"):
        native.check_int8_head(policy, torch.device("cuda"))
