import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steelyard.pretrain import order_estimate
from steelyard.pretrain.order_estimate import SGD, AdamRule, Reference, Training


def quadratic(slopes, centres):
    """Batch i pulls every number to its centre, with its own slope: g = slope (w - centre)."""
    slope_TW, centre_TW = (torch.tensor(x, dtype=torch.float64) for x in (slopes, centres))
    return lambda weight_W, i: slope_TW[i] * (weight_W - centre_TW[i])


def cubic(weight_W, i):
    """g is quadratic in w, so that two derivatives are all there are."""
    return (i + 1) * weight_W.square() / 10 + i - 1.5


@pytest.fixture
def far(monkeypatch):
    """Quotients that are not cut, and least squares without a ridge."""
    monkeypatch.setattr(order_estimate, "REACH", float("inf"))
    monkeypatch.setattr(order_estimate, "RIDGE", 1e-12)


def reference(gradient, batches, start, rule=SGD, rate=0.1):
    training = Training(gradient, rule, rate)
    return training, Reference(training, torch.tensor(start, dtype=torch.float64), batches)


def test_two_batches_by_hand(far):
    """From w = 1 at rate .1: g = w, then g = 2 (w - 3). In the other order 1 -> 1.4 -> 1.26."""
    training, run = reference(quadratic([[1.0], [2.0]], [[0.0], [3.0]]), 2, [1.0])
    assert [w.item() for w in run.path] == pytest.approx([1.0, 0.9, 0.9 + 0.42])
    assert run.estimate((0, 1), "fut++").item() == pytest.approx(1.32)
    assert training.run(run.path[0], (1, 0))[-1].item() == pytest.approx(1.26)
    assert run.estimate((1, 0), "none").item() == pytest.approx(1.4 - 0.09), "the gradient is the path's"
    assert run.estimate((1, 0), "fut").item() == pytest.approx(1.26), "of a linear gradient one derivative is all"
    assert run.estimate((1, 0), "span").item() == pytest.approx(1.26)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(range(5)), st.sampled_from([SGD, lambda: AdamRule(0.9, 0.99)]))
def test_of_linear_gradients_the_first_derivative_says_all_for_any_order_and_rule(far, order, rule):
    """Five points of the path span all three numbers, so that nothing is left over."""
    draws = np.random.default_rng(0)
    gradient = quadratic(draws.uniform(0.5, 2, (5, 3)), draws.normal(size=(5, 3)))
    training, run = reference(gradient, 5, [1.0, -2.0, 0.5], rule)
    true_W = training.run(run.path[0], order)[-1]
    for way in ("span", "fut", "along"):
        assert torch.allclose(run.estimate(order, way), true_W, atol=1e-5)
    assert torch.allclose(run.estimate(tuple(range(5)), "none"), run.path[-1]), "in its own order it is the run"


def test_derivatives_come_nearer_and_along_the_deviation_they_are_exact_for_quadratic_gradients():
    training, run = reference(cubic, 4, [2.0, 0.3])
    apart = dict.fromkeys(("none", "span"), 0.0)
    for order in ((3, 2, 1, 0), (1, 0, 3, 2), (2, 3, 0, 1)):
        true_W = training.run(run.path[0], order)[-1]
        for way in apart:
            apart[way] += float((run.estimate(order, way) - true_W).abs().sum())
        assert torch.allclose(run.estimate(order, "along"), true_W, atol=1e-6)
    assert apart["span"] < apart["none"]


def test_the_second_derivative_by_quotients_by_hand(far):
    """After steps to w = 0, 1 and 3, batch 1 has gradients w^2: slope 1 and 4, and curvature (4 - 1) / 2."""
    moves = iter([-1.0, -2.0, 0.0])
    seen = []

    def gradient(weight_W, i):
        if len(seen) < 3:
            seen.append(i)
            return torch.full_like(weight_W, next(moves))
        return weight_W.square()

    _, run = reference(gradient, 3, [0.0], rate=1.0)
    assert [w.item() for w in run.path[:3]] == [0.0, 1.0, 3.0]
    away_W = torch.tensor([0.5], dtype=torch.float64)
    assert run._quotients(2, 1, away_W, second=False).item() == pytest.approx(4 * 0.5)
    assert run._quotients(2, 1, away_W, second=True).item() == pytest.approx(4 * 0.5 + 0.5 * 1.5 * 0.25)
    assert run._quotients(1, 1, away_W, second=True).item() == pytest.approx(0.5), "no curvature yet"


def test_an_expansion_reaches_so_many_path_steps_and_numbers_that_stood_still_stay_as_they_are():
    gradient = quadratic([[1.0, 0.0], [1.0, 5.0]], [[0.0, 0.0], [90.0, 1.0]])
    _, run = reference(gradient, 2, [1.0, 1.0])
    away_W = torch.tensor([100.0, 100.0], dtype=torch.float64)
    assert run.path[1].tolist() == pytest.approx([0.9, 1.0])
    assert run._quotients(1, 0, away_W, second=False).tolist() == pytest.approx([0.3, 0.0]), "three steps back"


def test_adams_first_direction_is_the_sign_and_it_is_torchs_own():
    rule = AdamRule(0.9, 0.99)
    gradients = [torch.tensor([0.5, -2.0]), torch.tensor([1.0, 1.0]), torch.tensor([-0.2, 0.3])]
    weight = torch.nn.Parameter(torch.zeros(2))
    adam = torch.optim.Adam([weight], lr=1.0, betas=(0.9, 0.99))
    own_W = torch.zeros(2)
    for gradient_W in gradients:
        weight.grad = gradient_W
        adam.step()
        own_W = own_W - rule.direction(gradient_W)
        assert own_W.tolist() == pytest.approx(weight.tolist(), rel=1e-5)
