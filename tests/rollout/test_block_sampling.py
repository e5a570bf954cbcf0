import numpy as np
import pytest
import torch

from steelyard.core import Sampling
from steelyard.rollout.block_sampling import draw_in_blocks
from steelyard.rollout.sampling import draw


def _drawn(logits, uniforms, temperature=1.0, **settings):
    sampling = Sampling(temperature, 1, **settings)
    return draw_in_blocks(logits, torch.tensor(uniforms, dtype=torch.float64), torch.tensor(temperature), sampling)


def test_a_hand_worked_draw():
    """Five tokens in blocks of four: 0.1 0.2 0.3 0.15 | 0.25."""
    logits = torch.tensor([[0.1, 0.2, 0.3, 0.15, 0.25]]).log().expand(6, -1)
    token_N, logp_N, sound_N = _drawn(logits, [0.0, 0.11, 0.59, 0.61, 0.76, 1 - 2**-53])
    assert token_N.tolist() == [0, 1, 2, 3, 4, 4]
    np.testing.assert_allclose(logp_N.exp(), [0.1, 0.2, 0.3, 0.15, 0.25, 0.25], rtol=1e-5)
    assert sound_N.all()


@pytest.mark.parametrize("vocabulary", [1, 2, 28, 1000, 4099])
@pytest.mark.parametrize("settings", [{}, {"top_k": 3}, {"top_p": 0.5}, {"temperature": 0.0}, {"temperature": 3.0}])
def test_it_is_the_token_that_a_scan_takes(vocabulary, settings):
    generator = torch.Generator().manual_seed(vocabulary)
    logits_NV = 4 * torch.randn(200, vocabulary, generator=generator)
    uniform_N = torch.rand(200, dtype=torch.float64, generator=generator)
    token_N, logp_N, _ = _drawn(logits_NV, uniform_N.tolist(), **settings)
    expected_N, logp_expected_N = draw(logits_NV, uniform_N, Sampling(**{"max_tokens": 1, **settings}))
    assert torch.equal(token_N, expected_N)
    torch.testing.assert_close(logp_N, logp_expected_N)


def test_no_token_of_probability_zero_is_drawn():
    """Also at the last number below 1, with blocks of nothing at either end."""
    logits_NV = torch.full((2, 100), -torch.inf)
    logits_NV[:, 37] = 1.0
    token_N, logp_N, _ = _drawn(logits_NV, [0.0, 1 - 2**-53])
    assert token_N.tolist() == [37, 37]
    assert logp_N.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_rows_that_are_not_finite_are_named(bad, temperature):
    logits_NV = torch.zeros(3, 9)
    logits_NV[1, 4] = bad
    token_N, _, sound_N = _drawn(logits_NV, [0.5, 0.5, 0.5], temperature)
    assert sound_N.tolist() == [True, False, True]
    assert ((token_N >= 0) & (token_N < 9)).all()
