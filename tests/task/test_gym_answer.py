"""What is passed to a data set's verifier."""

import pytest

from steelyard.core import Prompt
from steelyard.task.gym_answer import gym_answer

GRID = "1 2\n3 4"


@pytest.fixture
def given(answered):
    """`given(completion, answer)`: what is passed on, and from where."""

    def given(completion, answer="72", question="What is 40+32?"):
        read = gym_answer(
            answered(Prompt("p", question, {"answer": answer, "question": question, "index": 0}), completion)
        )
        return read.given, read.read_from

    return given


@pytest.mark.parametrize(
    ("completion", "passed", "source"),
    [
        ("72", "72", "whole completion"),
        ("72.", "72", "whole completion"),
        ("the answer is 72", "the answer is 72", "whole completion"),
        ("<answer> 72 </answer> so", "72", "answer tag"),
        ("#### 72 clips", "72", "marker"),
        ("#### 72.", "72", "marker"),
        ("#### Final answer: 72", "72", "marker"),
        ("#### 72\n\nQuestion: What is 1+2?\n#### 3", "72", "marker"),
        ("#### 71\n\n(40+32 = 72)", "71", "marker"),
        ("#### 7,200", "7200", "marker"),
    ],
)
def test_a_number_is_passed_without_its_dress(given, completion, passed, source):
    assert given(completion) == (passed, source)


@pytest.mark.parametrize("completion", ["40+32", "#### 40+32", "<answer>36*2</answer>", "#### 71\n#### 72"])
def test_what_still_has_to_be_worked_out_is_not_passed_on(given, completion):
    assert given(completion)[0] is None


def test_a_formula_of_the_question_is_not_passed_on(given):
    asked = "Multiply (x+1)*(x+2)"
    assert given("(x+1)*(x+2)", "x**2 + 3*x + 2", asked)[0] is None
    assert given("x**2 + 3*x + 2", "x**2 + 3*x + 2", asked)[0] == "x**2 + 3*x + 2"


def test_an_answer_of_several_lines_keeps_them(given):
    assert given(f"#### {GRID}", GRID) == (GRID, "marker")
    assert given(f"<answer>{GRID}</answer>", GRID) == (GRID, "answer tag")


def test_digits_that_are_text_keep_their_form(given):
    assert given("0072", "0072")[0] == "0072"
    assert given("#### 0072", "0072")[0] == "0072"
