import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.experiments.harness.spread import figures, fixed, percent, short, spread


@pytest.mark.parametrize(
    ("values", "write", "text"),
    [
        ([0.3, 0.1, 0.25], fixed(3), "0.250 [0.100, 0.300]"),
        ([0.5], fixed(3), "0.500"),
        ([0.5, 0.5004], fixed(3), "0.500"),  # written alike
        ([0.25, -0.05], fixed(2, signed=True), "+0.10 [-0.05, +0.25]"),
        ([30.0, math.inf, 40.0], fixed(0), "40 [30, never]"),
        ([math.inf], short, "never"),
        ([math.nan], figures(3), "–"),
        ([3.0, None, 1.0], short, "2 [1, 3] (1 never)"),
        ([None], short, "never"),
        ([0.25, 0.75], percent, "50% [25%, 75%]"),
    ],
)
def test_several_measurements_in_one_cell(values, write, text):
    assert spread(values, write) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.01234, "0.0123"), (123.4, "123"), (1234.0, "1,234"), (12345.0, "12.3k"), (1.234e6, "1.23M")]
)
def test_three_figures(value, text):
    assert short(value) == text


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9))
def test_order_does_not_matter(values):
    assert spread(values) == spread(values[::-1])
