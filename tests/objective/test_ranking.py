import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steelyard.objective.ranking import top_share


def ranked(x, places, mask=None):
    x = torch.tensor([x], dtype=torch.float64)
    return top_share(x, torch.ones_like(x, dtype=torch.bool) if mask is None else torch.tensor([mask]), float(places))[
        0
    ]


def test_by_hand():
    assert ranked([0.1, 0.5, 0.3], 2).tolist() == [0.0, 1.0, 1.0]
    assert ranked([0.1, 0.5, 0.3], 1.25).tolist() == [0.0, 1.0, 0.25]
    assert ranked([0.3, 0.5, 0.3], 2).tolist() == [0.5, 1.0, 0.5]


def test_what_is_not_in_the_mask_gets_nothing():
    assert ranked([9.0, 0.5, 0.3], 1, [False, True, True]).tolist() == [0.0, 1.0, 0.0]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=7), st.floats(0, 9))
def test_all_places_are_taken_and_no_more(x, places):
    share = ranked([float(value) for value in x], places)
    assert share.sum().item() == pytest.approx(min(places, len(x)))
    assert all(0 <= s <= 1 for s in share)
