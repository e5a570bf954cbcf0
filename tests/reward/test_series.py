"""Answers of several numbers."""

import pytest

from steelyard.reward.series import read_series, series_of


def same(right, given):
    one, other = read_series(right), read_series(given)
    return one is not None and other is not None and one.equals(other)


@pytest.mark.parametrize(
    ("right", "given"),
    [
        ("3, 4", "4, 3"),
        ("3,4", "3 and 4"),
        ("3, 4", "x = 3 or x = 4"),
        ("3, 4", "\\{3, 4\\}"),
        ("3, 4", "(3, 4)"),
        ("3, 4", "3; 4"),
        ("-3, 3", "\\pm 3"),
        ("\\{1, 2, 3\\}", "3, 2, 1"),
        ("(1, 1/2)", "\\left(1, 0.5\\right)"),
        ("[1, 2]", "1, 2"),
        ("1,234, 5", "1234, 5"),
    ],
)
def test_equal(right, given):
    assert same(right, given)


@pytest.mark.parametrize(
    ("right", "given"),
    [
        ("3, 4", "3, 4, 4"),
        ("3, 3", "3, 4"),
        ("(1, 2)", "(2, 1)"),
        ("(1, 2)", "[1, 2]"),
        ("[1, 2]", "2, 1"),
        ("3, 4", "3, 5"),
    ],
)
def test_not_equal(right, given):
    assert not same(right, given)


@pytest.mark.parametrize("text", ["3", "a, b", "3 cats and 2 dogs", "(1, 2]", "1, 2, ..., 10", "", ","])
def test_no_list_of_numbers(text):
    assert read_series(text) is None


def test_a_group_of_answers():
    boxes = series_of(("3", "4"), "strip")
    assert boxes is not None
    assert read_series("3, 4").equals(boxes)
