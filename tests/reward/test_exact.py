"""Exact answers, by hand and by property."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import SteelyardError
from steelyard.reward import ExactAnswer, after
from steelyard.reward.exact import normal


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("42", "42"),
        (" 0042. ", "42"),
        ("+1,234.50", "1234.5"),
        ("-0.0", "0"),
        ("-.5", "-0.5"),
        ("12,34", "12,34"),  # no thousands comma
        ("1/2", "1/2"),
        (".", "."),
        ("-", "-"),
        ("", ""),
        ("the  red\n fox", "the red fox"),
        ("٣", "٣"),
        ("9" * 5000, "9" * 5000),  # beyond what int() reads
    ],
)
def test_normal_form_by_hand(text, expected):
    assert normal(text) == expected


@given(st.integers(), st.sampled_from(["{}", "{:,}", " {}.0", "{}.", "{:.3f}"]))
def test_every_way_to_write_an_integer_is_one(number, form):
    assert normal(form.format(number) if "f" not in form else f"{number}.000") == str(number)


@given(st.text())
def test_normal_is_idempotent(text):
    assert normal(normal(text)) == normal(text)


@pytest.mark.parametrize(
    ("completion", "reward"),
    [
        ("6*7 #### 42", 1.0),
        ("#### 41 no #### 42.0 ", 1.0),  # the last marker counts
        ("#### 42 no #### 41", 0.0),
        ("42", 0.0),  # no marker
        ("####", 0.0),
        ("", 0.0),
    ],
)
def test_the_text_after_the_last_marker_counts(episode, completion, reward):
    (score,) = ExactAnswer()([episode(completion, answer="so it is 6*7\n#### 42")])
    assert score.value == reward
    assert score.error is None


def test_without_a_marker_the_whole_completion_counts(episode):
    assert [
        s.value for s in ExactAnswer(marker="")([episode("1,000", answer=1000), episode("a 1000", answer=1000)])
    ] == [1, 0]


def test_a_missing_answer_is_an_error_and_names_near_columns(episode):
    with pytest.raises(SteelyardError, match="did you mean 'answers'"):
        ExactAnswer()([episode("#### 42", answers="42")])


def test_after():
    assert after("a#b# c ", "#") == "c"
    assert after("abc", "#") is None
