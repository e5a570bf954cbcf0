"""Where a completion's final answer stands."""

import time

import pytest
from answer_cases import episode_of
from hypothesis import given
from hypothesis import strategies as st

from steelyard.reward import ExactAnswer, MathVerify, find_after_marker
from steelyard.reward.final_answer import find_answer


@pytest.mark.parametrize(
    ("completion", "text", "source"),
    [
        ("so \\boxed{\\frac{1}{2}}.", "\\frac{1}{2}", "box"),
        ("\\fbox{3}", "3", "box"),
        ("\\boxed{1} long talk, wait, so \\boxed{2}", "2", "box"),
        ("#### 1\n#### 2", "2", "marker"),
        ("so\n#### 72 clips\nDone.", "72 clips", "marker"),
        ("####\n\n72", "72", "marker"),
        ("The answer is 5. Bye.", "5", "answer phrase"),
        ("**Answer:** 5", "5", "answer phrase"),
        ("<think>1</think> <answer> 2 </answer>", "2", "answer tag"),
        ("<answer>so \\boxed{2}</answer> 3", "2", "box"),
        ("<answer>2", "2", "answer tag"),
        ("one\ntwo\n", "two", "last line"),
        ("two", "two", "whole completion"),
        ("\\boxed{}", "", "box"),
        ("\\boxed{5} \\boxed{6", "", "box"),
    ],
)
def test_the_text_and_its_place(completion, text, source):
    found = find_answer(completion)
    assert found is not None
    assert (found.text, found.source) == (text, source)


@pytest.mark.parametrize("completion", ["", " \n", "<think>5", "<think>5</think>", "<answer></answer>", "<!-- 5 -->"])
def test_nothing_is_found(completion):
    assert find_answer(completion) is None


@pytest.mark.parametrize(
    ("completion", "finish", "found"),
    [
        ("10", "length", False),
        ("10", "stop", True),
        ("10", None, True),
        ("10\n", "length", True),
        ("#### 10", "length", False),
        ("#### 10\nso", "length", True),
        ("\\boxed{10}", "length", True),
        ("\\boxed{10", "length", False),
        ("<answer>10</answer>", "length", True),
        ("<answer>10", "length", False),
        ("The answer is 10", "length", False),
        ("The answer is 10. So", "length", True),
        ("#### 10<|im_end|>\n<|im_start|>user 5", "length", True),
    ],
)
def test_what_touches_the_end_of_a_completion_that_was_cut_off(completion, finish, found):
    answer = find_answer(completion, finish=finish)
    assert (answer is not None and answer.text == "10") == found


def test_a_new_question_ends_the_answer():
    prompt = "[TASK] Sum:\n1+1"
    for more in (
        "Question: 2+2?\n#### 4",
        "Q: a\n#### 4",
        "[TASK] Sum:\n2+2\n#### 4",
        "And 2+2? #### 4",
        "### Problem 2\n#### 4",
    ):
        found = find_after_marker(f"#### 2\n\n{more}", "####", prompt=prompt)
        assert found is not None
        assert found.text == "2", more


def test_reading_is_the_same_for_any_marker():
    found = find_after_marker("1\n=> 2 clips\nmore", "=>")
    assert found is not None
    assert (found.text, found.source) == ("2 clips", "marker")
    assert find_after_marker("1", "=>") is None


LONG = 100_000
HOSTILE = {
    "newlines": "#### 5" + "\n" * LONG + "x",
    "open tags": "<answer>" * (LONG // 8),
    "tags": "<answer></answer>" * (LONG // 17),
    "open comments": "<!--" * (LONG // 4),
    "open boxes": "\\boxed{" * (LONG // 7),
    "boxes": "\\boxed{1}, " * (LONG // 11),
    "braces": "\\boxed{" + "{" * LONG,
    "phrases": "answer is " * (LONG // 10),
    "markers": "#### " * (LONG // 5),
    "marks of mathematics": "\\(" * (LONG // 2),
    "dollars": "$" * LONG,
    "dollars and letters": "$a" * (LONG // 2),
    "text commands": "\\text{" * (LONG // 6),
    "fractions": "\\frac" * (LONG // 5),
    "digits": "9" * LONG,
    "digits and spaces": "9 " * (LONG // 2),
    "digits and commas": "9," * (LONG // 2),
    "digits and slashes": "9/" * (LONG // 2),
    "spaces": "a" + " " * LONG + "a",
    "signs": "-" * LONG,
    "equals": "1=" * (LONG // 2),
    "words": "word " * (LONG // 5),
    "questions": "#### 5" + "\n?" * (LONG // 2),
    "less than": "<" * LONG,
    "stars": "*" * LONG,
    "backslashes": "\\" * LONG,
    "underscores": "\\boxed{1}" + "_" * LONG,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_is_slow_to_read(name):
    episodes = [episode_of(HOSTILE[name], gold, "What is 70+2?") for gold in ("72", "3, 4", "Paris", "3:30 PM")]
    begin = time.process_time()
    scores = [*MathVerify()(episodes), *ExactAnswer()(episodes), *ExactAnswer(marker="")(episodes)]
    assert time.process_time() - begin < 3.0
    assert {score.value for score in scores} == {0.0}


@given(
    st.text(alphabet="0123456789 .,-+=*/\\{}$#<>answer:boxed?\n()", max_size=80),
    st.sampled_from(["stop", "length", None]),
)
def test_no_text_raises(text, finish):
    for answer in ("72", "3, 4", "(1, 2)", "Paris", "B", "3:30 PM", 7.5, True, ["1", "2"]):
        episode = episode_of(text, answer, "What is 70+2?", finish)
        for verifier in (MathVerify(), ExactAnswer(), ExactAnswer(marker="")):
            (score,) = verifier([episode])
            assert score.error is None
            assert score.value in (0.0, 1.0)
