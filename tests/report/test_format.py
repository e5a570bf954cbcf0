"""Numbers as written on the page."""

import math

import pytest

from steelyard.report.format import duration, flatten, is_number, number, percent


@pytest.mark.parametrize(("value", "text"), [
    (0, "0"), (3.0, "3"), (25600, "25,600"), (0.000123456, "0.0001235"), (1234.567, "1235"), (98765.4, "98,765"),
    (1e20, "1e+20"), (-0.5, "-0.5"), (None, "–"), (math.nan, "–"), ("x", "–"), (True, "–"),
])  # fmt: skip
def test_number(value, text):
    assert number(value) == text


def test_percent_and_duration():
    assert [percent(v) for v in (0.1234, 1, None)] == ["12.3%", "100.0%", "–"]
    assert [duration(v) for v in (0.5, 59, 61, 3660, 59.99, 119.7, None)] == [
        "0.5 s", "59 s", "1 min 1 s", "1 h 1 min", "60 s", "2 min 0 s", "–",
    ]  # fmt: skip
    assert not is_number(math.inf) and is_number(2)


def test_flatten_keeps_order_and_empty_branches():
    assert flatten({"b": {"y": 1, "x": {"k": None}}, "a": {}}) == [("b.y", 1), ("b.x.k", None), ("a", {})]
