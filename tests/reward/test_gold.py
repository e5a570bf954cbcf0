"""What each value of a right answer's column means."""

import datetime
import decimal
import math

import pytest
from answer_cases import episode_of
from hypothesis import given
from hypothesis import strategies as st

from steelyard.reward import ExactAnswer, gold_problem, golds_of
from steelyard.reward.gold import UnreadableError, number_text


def kind(value):
    """What each of the right answers is compared as."""
    return [
        next(
            name
            for name, is_it in (
                ("number", gold.numeral is not None),
                ("numbers", gold.series is not None),
                ("moment", gold.moment is not None),
                ("formula", gold.formula),
                ("words", gold.is_words),
            )
            if is_it
        )
        for gold in golds_of(value)
    ]


@pytest.mark.parametrize(
    ("value", "kinds"),
    [
        *((v, ["number"]) for v in (72, 7.5, 1e-07, 1e22, 10**40, decimal.Decimal("7.20"))),
        *((v, ["number"]) for v in ("72", "1,234", "50%", "$5", "1/2", "\\frac12", "10^{6}", "0.\\overline{3}")),
        *((v, ["number"]) for v in ("5 \\text{ cm}", "90^\\circ", "7 apples")),
        *((v, ["numbers"]) for v in ("3, 4", "(1, 2)", "\\{1, 2, 3\\}", "1 and 2", "x = 1, x = 2", "\\pm 3")),
        *((v, ["moment"]) for v in ("3:30 PM", "15:30", "2024-03-05", "March 5, 2024", "5 March", "3 p.m.")),
        *((v, ["moment"]) for v in (datetime.date(2024, 3, 5), datetime.time(15, 30))),
        *((v, ["words"]) for v in ("ACB", "no", "B", "(B)", "Paris", "12 Angry Men", "C++", "A+", "Catch-22", "3-2")),
        *(
            (v, ["words"])
            for v in ("H2O", "3rd", "\\text{Evelyn}", "3 cats and 2 dogs", "2019-2020", "well-known", "x")
        ),
        *((v, ["words"]) for v in ("3:2", "None", "x")),
        *((v, ["formula"]) for v in ("2\\sqrt{3}", "x+1", "2x", "y = 2x + 3", "\\pi", "3 + 4i", "(0, \\infty)", "x^2")),
        *((v, ["formula"]) for v in ("2^{10}", "-x", "2\\pi")),
        (True, ["words", "words"]),
        (["1", 2, "two"], ["number", "number", "words"]),
        ({"value": "5"}, ["number"]),
        ({"value": "New York", "aliases": ["NYC"]}, ["words", "words"]),
        ({"text": ["a", "b"], "answer_start": [1, 2]}, ["words", "words"]),
        ("6*7 is\n#### 42", ["number"]),
        ("We get \\boxed{7}.", ["number"]),
    ],
)
def test_what_a_value_is_compared_as(value, kinds):
    assert kind(value) == kinds
    assert gold_problem(value) is None


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, "the right answer is null"),
        (math.nan, "the right answer is NaN"),
        (decimal.Decimal("NaN"), "the right answer is NaN"),
        (math.inf, "the right answer is infinite"),
        ("", "the right answer is empty"),
        (" \n", "the right answer is empty"),
        ("6*7 ####", "the text after the last #### of the right answer is empty"),
        ("\\boxed{ }", "the right answer's last box is empty"),
        ("\\boxed{4", "the right answer's last box is not closed"),
        ([], "the right answer is an empty list"),
        (["1", None], "the right answer is null"),
        ([["1"]], "the right answer is a list inside a list or object"),
        ({}, "the right answer is an object with nothing"),
        ({"steps": 3}, "the right answer is an object with steps, and without value or answer"),
        ({"value": None}, "the right answer is an object with value"),
        (b"5", "the right answer is bytes"),
        (10**1000, "the right answer has more than 1000 digits"),
    ],
)
def test_a_value_without_a_meaning_says_why(value, says):
    assert says in gold_problem(value)
    with pytest.raises(UnreadableError, match="right answer"):
        golds_of(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [(1e-07, "0.0000001"), (1e22, "10000000000000000000000"), (72.0, "72"), (-0.5, "-0.5"), (10**20, "1" + "0" * 20)],
)
def test_numbers_are_written_plainly(value, text):
    assert number_text(value) == text
    assert golds_of(value)[0].text == text


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals()
    | st.text(max_size=20)
    | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(VALUES)
def test_every_value_has_a_meaning_or_one_clear_line(value):
    problem = gold_problem(value)
    if problem is None:
        assert golds_of(value)
    else:
        assert "\n" not in problem
        with pytest.raises(UnreadableError):
            golds_of(value)


FLOATS = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e200, max_value=1e200)


def reward_of(completion, answer):
    (score,) = ExactAnswer(marker="")([episode_of(completion, answer)])
    return score.value


@given(st.integers(-(10**30), 10**30) | FLOATS)
def test_every_number_is_its_own_right_answer(number):
    assert reward_of(number_text(number), number) == 1.0
    assert reward_of(repr(number), number) == 1.0


@given(st.integers(-(10**9), 10**9), st.integers(1, 999))
def test_no_other_number_is(number, more):
    near = number + decimal.Decimal(more) / 1000
    assert reward_of(str(near), number) == 0.0
    assert reward_of(str(number), str(near)) == 0.0
