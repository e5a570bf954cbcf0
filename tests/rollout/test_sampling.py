import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import Sampling, SteelyardError
from steelyard.rollout import sampling
from steelyard.rollout.sampling import check, draw

# p = .1 .2 .3 .4
LOGITS = torch.tensor([0.1, 0.2, 0.3, 0.4]).log()
ALMOST_ONE = np.nextafter(1.0, 0.0)


def _draw(uniforms, logits=LOGITS, **settings):
    uniform_N = torch.tensor(uniforms, dtype=torch.float64)
    token_N, logp_N = draw(logits.expand(len(uniforms), -1), uniform_N, Sampling(**settings))
    return token_N.tolist(), logp_N.exp().tolist()


def test_the_cumulative_distribution_is_inverted():
    tokens, p = _draw([0.0, 0.05, 0.15, 0.29, 0.31, 0.59, 0.61, ALMOST_ONE])
    assert tokens == [0, 0, 1, 1, 2, 2, 3, 3]
    assert p == pytest.approx([0.1, 0.1, 0.2, 0.2, 0.3, 0.3, 0.4, 0.4], rel=1e-5)


def test_rows_drawn_one_after_another_are_those_drawn_together(monkeypatch):
    source = torch.Generator().manual_seed(0)
    logits_NV = 3 * torch.randn(7, 50, generator=source)
    uniform_N = torch.rand(7, generator=source, dtype=torch.float64)
    together = draw(logits_NV, uniform_N, Sampling(0.7, top_p=0.9))
    monkeypatch.setattr(sampling, "AT_ONCE", 110)  # two rows
    apart = draw(logits_NV, uniform_N, Sampling(0.7, top_p=0.9))
    assert torch.equal(apart[0], together[0])
    assert torch.equal(apart[1], together[1])


def test_temperature_divides_the_logits():
    p_V = torch.softmax(LOGITS / 0.5, 0)  # .01 .04 .09 .16 over .3
    tokens, p = _draw([0.01, 0.1, 0.3, 0.9], temperature=0.5)
    assert tokens == [0, 1, 2, 3]
    assert p == pytest.approx(p_V.tolist(), rel=1e-5)
    assert p == pytest.approx([1 / 30, 4 / 30, 9 / 30, 16 / 30], rel=1e-5)


def test_temperature_zero_is_greedy_and_infinity_is_uniform():
    assert _draw([0.0, 0.5, 0.99], temperature=0.0) == ([3, 3, 3], [1.0, 1.0, 1.0])
    tokens, p = _draw([0.1, 0.3, 0.6, 0.9], temperature=math.inf)
    assert tokens == [0, 1, 2, 3]
    assert p == pytest.approx([0.25] * 4)


def test_top_k_keeps_the_most_probable_and_normalises():
    tokens, p = _draw([0.0, 0.42, 0.44, ALMOST_ONE], top_k=2)
    assert tokens == [2, 2, 3, 3]
    assert p == pytest.approx([3 / 7, 3 / 7, 4 / 7, 4 / 7], rel=1e-5)
    assert _draw([0.05], top_k=9)[0] == [0]  # more than there are: all


def test_top_p_keeps_the_fewest_that_hold_it():
    tokens, p = _draw([0.0, ALMOST_ONE], top_p=0.69)
    assert tokens == [2, 3]
    assert p == pytest.approx([3 / 7, 4 / 7], rel=1e-5)
    assert _draw([0.0], top_p=0.71)[0] == [1]
    assert _draw([0.0, ALMOST_ONE], top_p=1e-9) == ([3, 3], [1.0, 1.0])  # never none


def test_top_p_cuts_what_top_k_left():
    # top_k 3 leaves 2/9 3/9 4/9; 7/9 of it is held by the two highest
    assert _draw([0.0, ALMOST_ONE], top_k=3, top_p=0.77)[0] == [2, 3]
    assert _draw([0.0], top_k=3, top_p=0.78)[0] == [1]


def test_the_input_is_left_alone():
    logits = LOGITS.clone()
    _draw([0.5], logits, top_k=2, top_p=0.5)
    assert torch.equal(logits, LOGITS)


@given(
    st.lists(st.floats(-30, 30), min_size=1, max_size=12),
    st.floats(0, 1, exclude_max=True),
    st.floats(0.05, 5),
    st.integers(0, 5),
    st.floats(0.01, 1),
)
def test_a_drawn_token_is_always_one_that_the_law_allows(logits, uniform, temperature, top_k, top_p):
    logits_V = torch.tensor(logits)
    settings = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    for u in (uniform, 0.0, ALMOST_ONE):
        (token,), (p,) = _draw([u], logits_V, **settings)
        assert 0 < p <= 1 + 1e-6
        if top_k:
            scaled_V = logits_V / temperature
            assert (scaled_V > scaled_V[token]).sum() < top_k


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=8), st.floats(0.01, 1), st.integers(0, 4))
def test_probabilities_of_the_allowed_tokens_sum_to_one(logits, top_p, top_k):
    uniforms = np.linspace(0, ALMOST_ONE, 4001).tolist()
    drawn = dict(zip(*_draw(uniforms, torch.tensor(logits), top_p=top_p, top_k=top_k), strict=True))
    assert sum(drawn.values()) <= 1 + 1e-5
    assert sum(drawn.values()) >= 1 - len(logits) / 4000  # a token rarer than the grid can be missed


@pytest.mark.parametrize(
    "wrong", [{"temperature": -1.0}, {"temperature": math.nan}, {"top_p": 0.0}, {"top_p": 1.1}, {"top_k": -1}]
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(SteelyardError, match=next(iter(wrong))):
        check(Sampling(**wrong))


def test_a_completion_has_at_least_one_token():
    with pytest.raises(SteelyardError, match="max_tokens"):
        check(Sampling(max_tokens=0))
