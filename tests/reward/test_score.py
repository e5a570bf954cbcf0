import math

import pytest

from steelyard.reward import score_of, score_of_reply
from steelyard.reward.worker import Reply


@pytest.mark.parametrize(("value", "number"), [(0, 0.0), (-1.5, -1.5), (True, 1.0), (10**18, 1e18)])
def test_finite_numbers(value, number):
    score = score_of(value, "it")
    assert (score.value, score.error) == (number, None)
    assert isinstance(score.value, float)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (math.nan, "gave nan"),
        (-math.inf, "gave -inf"),
        (10**400, "gave inf"),
        (None, "gave None"),
        ("1.0", "gave '1.0'"),
        ([1.0], r"gave \[1.0\]"),
        ("x" * 999, "gave 'x{39} for"),
    ],
)
def test_anything_else_is_a_failure(value, says):
    score = score_of(value, "reward 'r'")
    assert score.value is None
    with pytest.raises(AssertionError, match=f"reward 'r': it {says}"):
        raise AssertionError(score.error)


def test_of_a_reply():
    assert score_of_reply(Reply(value=0.5), "v").value == 0.5
    assert score_of_reply(Reply(value=1.0, error="broke"), "v").value is None
    assert score_of_reply(Reply(error="broke"), "v").error == "v: broke"
