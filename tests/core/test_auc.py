import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core.auc import auc

SOME = st.lists(st.integers(0, 5).map(float), min_size=1, max_size=6).map(np.array)


def test_by_hand():
    """Of four pairs three are the right way round, and one is a tie."""
    assert auc(np.array([1.0, 2.0]), np.array([1.0, 0.0])) == 3.5 / 4
    assert auc(np.array([0.0]), np.array([1.0])) == 0.0


@given(SOME, SOME)
def test_the_other_way_round_it_is_the_rest(above, below):
    assert auc(above, below) == pytest.approx(1 - auc(below, above))
    assert auc(above, above) == 0.5
