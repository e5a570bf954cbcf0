import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import SteelyardError
from steelyard.guard import Gate, Router, SafeRoute, needs_large
from steelyard.guard.bayesian import BayesianLinear

QUICK = SafeRoute(hidden=32, steps=150, batch=64)


def examples(num=200, seed=0):
    """The small guard is wrong where the second number is large; the large guard is right."""
    state_ND = torch.randn(num, 3, generator=torch.Generator().manual_seed(seed))
    return state_ND, state_ND[:, 1] < 0.5, torch.ones(num, dtype=torch.bool)


@pytest.fixture(scope="module")
def gate():
    return QUICK.fit(*examples(), seed=1)


def test_labels_by_hand():
    small = torch.tensor([True, True, False, False])
    large = torch.tensor([True, False, True, False])
    assert needs_large(small, large).tolist() == [False, False, True, False]


def test_kl_by_hand():
    layer = BayesianLinear(1, 1, 0.1, torch.Generator().manual_seed(0))
    with torch.no_grad():
        layer.mean.copy_(torch.tensor([[0.1, 0.0]]))
        layer.log_sigma.copy_(torch.tensor([[math.log(0.1), math.log(0.2)]]))
    # mean 0.1 at the prior's sigma: 0.1^2 / (2 0.1^2) = 1/2; sigma 0.2 at mean 0: log(1/2) + 4/2 - 1/2
    assert layer.kl().flatten().tolist() == pytest.approx([0.5, math.log(0.5) + 1.5], rel=1e-5)


def test_without_spread_it_is_a_plain_network():
    """Where every sigma is next to 0, all draws are one and the score is a softmax."""
    state_ND, *right = examples()
    one = SafeRoute(hidden=8, steps=20, prior_sigma=1e-7, kl_weight=0.0, draws=1).fit(state_ND, *right, seed=3)
    many = SafeRoute(hidden=8, steps=20, prior_sigma=1e-7, kl_weight=0.0, draws=9).fit(state_ND, *right, seed=3)
    h_NE = torch.nn.functional.linear(
        (state_ND - one.mean_D) / one.std_D, one.first.mean[:, :-1], one.first.mean[:, -1]
    )
    logits = torch.nn.functional.linear(one.norm(h_NE).relu(), one.second.mean[:, :-1], one.second.mean[:, -1])
    assert torch.allclose(one.score(state_ND), logits.softmax(-1)[:, 1], atol=1e-4)
    assert torch.allclose(one.score(state_ND), many.score(state_ND), atol=1e-4)


def test_it_finds_the_blind_spot(gate):
    assert isinstance(QUICK, Router)
    assert isinstance(gate, Gate)
    state_ND, small_right_N, _ = examples(seed=9)
    assert (gate.routes(state_ND) == ~small_right_N).float().mean() > 0.9


def test_the_rare_class_counts_as_much():
    """Three texts in a hundred need the large guard: they are routed all the same."""
    state_ND = torch.randn(400, 2, generator=torch.Generator().manual_seed(5))
    wrong_N = state_ND[:, 0] > 1.9
    gate = QUICK.fit(state_ND, ~wrong_N, torch.ones_like(wrong_N), seed=0)
    assert 0 < wrong_N.float().mean() < 0.05
    assert gate.routes(state_ND)[wrong_N].float().mean() > 0.8


@given(st.permutations(range(12)), st.integers(1, 12))
def test_a_score_is_its_own_state_s_alone(gate, order, num):
    state_ND = examples(12, seed=2)[0]
    whole = gate.score(state_ND)
    assert ((whole >= 0) & (whole <= 1)).all()
    assert torch.allclose(gate.score(state_ND[order[:num]]), whole[order[:num]], atol=1e-6)


def test_more_doubt_means_scores_nearer_one_half():
    """The KL pulls weights to an uninformative distribution: with a large weight, no text is sure to need either."""
    state_ND, *right = examples()
    sure, doubting = (
        SafeRoute(hidden=32, steps=150, batch=64, kl_weight=weight).fit(state_ND, *right, seed=1).score(state_ND)
        for weight in (0.0, 30.0)
    )
    assert (doubting - 0.5).abs().mean() < (sure - 0.5).abs().mean()


def test_no_examples_and_wrong_settings_are_refused():
    with pytest.raises(SteelyardError, match="no texts"):
        QUICK.fit(*(x[:0] for x in examples()), seed=0)
    for settings in ({"hidden": 0}, {"draws": 0}, {"prior_sigma": 0.0}, {"kl_weight": -1.0}):
        with pytest.raises(SteelyardError, match="saferoute"):
            SafeRoute(**settings)
