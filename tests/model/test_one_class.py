"""The one-class machine: by hand, the mean at nu 1, and what is outside."""

import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.model.one_class import fit_one_class


def test_by_hand_it_is_the_point_of_the_hull_that_is_nearest_to_the_origin():
    # Between (3, 0) and (0, 4): a (3, 0) + (1 - a) (0, 4) with a = 16 / 25.
    w_F = fit_one_class(torch.tensor([[3.0, 0.0], [0.0, 4.0]]), 0.5)
    torch.testing.assert_close(w_F, torch.tensor([48 / 25, 36 / 25], dtype=torch.float64))


def test_with_every_row_outside_it_is_the_mean():
    rows = torch.tensor([[1.0, 2.0], [5.0, 0.0], [0.0, 1.0]])
    torch.testing.assert_close(fit_one_class(rows, 1.0), rows.double().mean(0))


def test_one_row_and_equal_rows():
    row = torch.tensor([[2.0, -1.0]])
    torch.testing.assert_close(fit_one_class(row, 0.5), row[0].double())
    torch.testing.assert_close(fit_one_class(row.expand(4, -1), 0.3), row[0].double())


def test_at_most_a_share_of_rows_is_outside():
    rows = torch.randn(60, 3, generator=torch.Generator().manual_seed(0)) + 4
    score = rows.double() @ fit_one_class(rows, 0.1)
    assert float((score < float((score.sort().values)[6])).double().mean()) <= 0.1


def test_no_rows_are_refused():
    with pytest.raises(SteelyardError, match="there are no rows"):
        fit_one_class(torch.zeros(0, 2), 0.1)
