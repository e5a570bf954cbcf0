"""IGNITE: its gradient on quadratics by hand and beside autograd's, the multiplier, and the command."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from steelyard.cli import main
from steelyard.core import SteelyardError, rng
from steelyard.reward import IGNITE, BradleyTerry, Pair
from steelyard.reward.ignite import length
from steelyard.reward.scorer import Scorer

FIXED = {"radius": 0.2, "weight": 3.0, "rate": 0.0}


class Quadratic(nn.Module):
    """G(b) = b A b / 2, whose gradient is A b."""

    def __init__(self, b, a):
        super().__init__()
        self.b = nn.Parameter(torch.tensor(b, dtype=torch.float64))
        self.a = torch.tensor(a, dtype=torch.float64)

    def forward(self):
        return self.b @ self.a @ self.b / 2


def added(net, **changes):
    """The penalty's gradient, and the penalty after one step."""
    flattening = IGNITE(**(FIXED | changes)).begin(net, 0)
    flattening.add(net)
    return net.b.grad, flattening


def test_by_hand():
    """v = (3, 4) and |v| = 5 at b = (3, 2) with A = diag(1, 2): the gradient of |v| is A v / 5 = (.6, 1.6)."""
    net = Quadratic([3.0, 2.0], [[1.0, 0.0], [0.0, 2.0]])
    grad, flattening = added(net)
    assert grad.tolist() == pytest.approx([3.0 * 0.2 * 0.6, 3.0 * 0.2 * 1.6])
    assert flattening.sharpness == [pytest.approx(0.2 * 5)]
    assert net.b.tolist() == [3.0, 2.0], "the weights are put back, bit for bit"


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.floats(0.01, 2.0))
def test_of_a_quadratic_it_is_the_gradient_of_the_norm_whatever_the_step(seed, step):
    draws = rng(seed, "quadratic")
    a = draws.normal(size=(3, 3))
    net = Quadratic(draws.normal(size=3), a + a.T)
    (0.2 * (net.a @ net.b).norm() * 3.0).backward()
    exact = net.b.grad.clone()
    net.b.grad = None
    assert added(net, step=step)[0].tolist() == pytest.approx(exact.tolist(), abs=1e-8)


def test_of_a_small_network_it_is_nearly_the_gradient_by_autograd():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    given = torch.randn(8, 3, dtype=torch.float64)
    parameters = [*net.parameters()]
    v = torch.autograd.grad(net(given).mean(), parameters, create_graph=True)
    exact = torch.autograd.grad(torch.cat([part.flatten() for part in v]).norm(), parameters, allow_unused=True)
    flattening = IGNITE(radius=1.0, weight=1.0, rate=0.0, step=1e-4).begin(net, 0)
    flattening.add(lambda: net(given).mean())
    for p, part in zip(parameters, exact, strict=True):
        assert torch.allclose(p.grad, torch.zeros_like(p) if part is None else part, atol=1e-4)


def test_it_is_added_to_the_gradients_that_are_there():
    net = Quadratic([3.0, 2.0], [[1.0, 0.0], [0.0, 2.0]])
    net.b.grad = torch.ones(2, dtype=torch.float64)
    assert added(net)[0].tolist() == pytest.approx([1.36, 1.96])


def test_the_weight_rises_above_the_limit_and_falls_to_nothing_below_it():
    net = Quadratic([3.0, 2.0], [[1.0, 0.0], [0.0, 2.0]])
    assert added(net, limit=0.75, rate=0.1)[1].weight == pytest.approx(3 + 0.1 * (1 - 0.75))
    assert added(net, limit=1.25, rate=0.1)[1].weight == pytest.approx(3 - 0.1 * 0.25)
    assert added(net, limit=1.25, rate=1.0, weight=0.1)[1].weight == 0


def test_where_the_mean_does_not_change_nothing_is_added():
    net = Quadratic([0.0, 0.0], [[1.0, 0.0], [0.0, 2.0]])
    assert added(net)[0] is None
    assert added(net)[1].sharpness == [0.0]


def test_the_control_goes_elsewhere_and_adds_another_gradient():
    one, other = (Quadratic([3.0, 2.0], [[1.0, 0.0], [0.0, 2.0]]) for _ in range(2))
    own, control = added(one)[0], added(other, along="random")[0]
    assert not torch.allclose(own, control)
    assert length([control]) <= 3.0 * 0.2 * 2 + 1e-9, "A (random direction), whose norm is at most A's"


def test_weights_of_16_bits_are_refused():
    net = nn.Linear(2, 1).bfloat16()
    assert IGNITE(radius=0.0).begin(net, 0) is None
    with pytest.raises(SteelyardError, match="--ignite-radius: weights of 16 bits are too coarse; use --dtype float32"):
        IGNITE().begin(net, 0)


def pairs(number):
    """The first letter of the completion decides."""
    return [Pair(f"{n % 7}+", f"1{n % 5}", f"2{n % 3}") for n in range(number)]


def fitted(model, **settings):
    scorer = Scorer.load(str(model), new_head=0)
    return BradleyTerry(learning_rate=1e-2, epochs=4, batch=16, held_out=0.2, **settings)(scorer, pairs(80))


def test_measuring_changes_nothing_and_a_penalty_makes_it_flatter(tiny_model_dir):
    place = tiny_model_dir("llama")
    plain = fitted(place)
    watched = fitted(place, flat=IGNITE(weight=0.0, rate=0.0))
    flat = fitted(place, flat=IGNITE(weight=1.0, limit=0.0, rate=0.0))
    assert {name: watched[name] for name in plain} == plain
    assert watched["ignite_weight"] == 0
    assert flat["sharpness"] < watched["sharpness"]


def test_the_command(tiny_model_dir, tmp_path, capsys):
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps({"prompt": p.prompt, "chosen": p.chosen, "rejected": p.rejected}) + "\n"
                            for p in pairs(40)))  # fmt: skip
    words = ["reward-model", "--model", str(tiny_model_dir("llama")), "--pairs", str(file), "--ignite-radius", "0.05",
             "--json", "--output-dir"]  # fmt: skip
    assert main([*words, str(tmp_path / "model")]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["sharpness"] > 0
    assert main([*words, str(tmp_path / "coarse"), "--dtype", "bfloat16"]) == 2
    assert "use --dtype float32" in capsys.readouterr().err
    assert not (tmp_path / "coarse").exists()
