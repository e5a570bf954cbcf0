import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core.divergence import jensen_shannon, total_variation

SHARES = st.lists(st.floats(0.01, 1.0), min_size=3, max_size=3).map(lambda p: np.array(p) / sum(p))


def test_by_hand():
    p_K, q_K = np.array([0.5, 0.5, 0.0]), np.array([0.5, 0.25, 0.25])
    assert total_variation(p_K, q_K) == pytest.approx(0.25)
    first = 0.5 * math.log(0.5 / 0.375)
    second = 0.25 * math.log(0.25 / 0.375) + 0.25 * math.log(0.25 / 0.125)
    assert jensen_shannon(p_K, q_K) == pytest.approx((first + second) / 2)


def test_without_a_common_outcome_both_are_largest():
    p_K, q_K = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    assert total_variation(p_K, q_K) == 1.0
    assert jensen_shannon(p_K, q_K) == pytest.approx(math.log(2))


@given(SHARES, SHARES)
def test_laws(p_K, q_K):
    tv, js = total_variation(p_K, q_K), jensen_shannon(p_K, q_K)
    assert jensen_shannon(q_K, p_K) == pytest.approx(js, abs=1e-12)
    assert total_variation(p_K, p_K) == jensen_shannon(p_K, p_K) == 0.0
    assert tv**2 / 2 - 1e-9 <= js <= tv * math.log(2) + 1e-9  # Pinsker's bound, and Lin's
