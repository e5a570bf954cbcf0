"""Logged feedback: what a row may hold, and its three parts."""

import pytest

from steelyard.core import SteelyardError
from steelyard.reward.feedback import FeedbackColumns, check_both, feedback_of, parts_of
from steelyard.reward.scorer import Said

COLUMNS = FeedbackColumns()


def of(*rows, columns=COLUMNS):
    return feedback_of([(f"line {i}", row) for i, row in enumerate(rows, 1)], "f.jsonl", columns)


def test_a_row():
    chat = [{"role": "user", "content": "a"}]
    (one, two, again) = of(
        {"prompt": "a", "completion": "b", "feedback": 1},
        {"prompt": chat, "completion": "b", "feedback": False},
        {"prompt": "a", "completion": "b", "feedback": 1.0},
    )
    assert one == (Said("a", "b"), True, "f.jsonl, line 1")
    assert two[:2] == (Said(chat, "b"), False)
    assert again[:2] == one[:2], "equal rows were two events"
    named = FeedbackColumns("q", "reply", "thumbs")
    assert of({"q": "a", "reply": "b", "thumbs": 0, "feedback": "x"}, columns=named)[0][:2] == (Said("a", "b"), False)


@pytest.mark.parametrize("value", ["yes", 2, 0.5, None, float("nan"), [1]])
def test_feedback_that_is_neither(value):
    with pytest.raises(SteelyardError, match=r"f.jsonl, line 1: column 'feedback' is .*; write 1 or 0"):
        of({"prompt": "a", "completion": "b", "feedback": value})


def test_what_a_row_lacks():
    with pytest.raises(SteelyardError, match=r"line 1: there is no feedback; .*--columns.feedback"):
        of({"prompt": "a", "completion": "b"})
    with pytest.raises(SteelyardError, match=r"there is no column 'completion'.*--columns.completion"):
        of({"prompt": "a", "feedback": 1})
    with pytest.raises(SteelyardError, match=r"column 'prompt' is 3; .*--columns.prompt"):
        of({"prompt": 3, "completion": "b", "feedback": 1})


def test_the_parts_keep_a_prompt_together_whatever_the_order():
    rows = of(*({"prompt": f"{n}", "completion": "b", "feedback": i} for n in range(200) for i in (0, 1)))
    parts = parts_of(rows, 0.4, "f.jsonl")
    prompts = [{one.said.prompt for one in part} for part in parts]
    assert sum(map(len, prompts)) == 200
    assert [len(part) for part in prompts] == pytest.approx([120, 40, 40], abs=20)
    again = parts_of(rows[::-1], 0.4, "f.jsonl")
    assert [{one.said.prompt for one in part} for part in again] == prompts


def test_a_part_with_one_kind_alone_is_refused():
    rows = of(*({"prompt": f"{n}", "completion": "b", "feedback": 0} for n in range(20)))
    with pytest.raises(SteelyardError, match=r"f.jsonl: of \d+ rows to learn from, 0 have feedback 1; give more rows"):
        parts_of(rows, 0.4, "f.jsonl")
    with pytest.raises(SteelyardError, match="of 0 rows to measure by"):
        check_both([], "to measure by", "f.jsonl")
