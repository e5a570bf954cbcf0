"""Rows of TRL and verl, as their documentation shows them, read unchanged."""

import pytest

from steelyard.core import SteelyardError
from steelyard.core.foreign_rows import with_pair, with_prompt

ASK = {"role": "user", "content": "What color is the sky?"}
BLUE, GREEN = ({"role": "assistant", "content": text} for text in ("It is blue.", "It is green."))
VERL = {
    "data_source": "openai/gsm8k",
    "prompt": [ASK],
    "ability": "math",
    "reward_model": {"style": "rule", "ground_truth": "72"},
    "extra_info": {"split": "train", "index": 0},
}


def test_what_is_ours_is_returned_as_it_came():
    for row in ({"prompt": "1+1=", "answer": "2"}, {"text": "abc"}, {"prompt": 3, "messages": "x"}, {}):
        assert with_prompt(row, "row 1") is row
        assert with_pair(row, "row 1") is row


def test_messages_end_in_what_is_to_be_said():
    assert with_prompt({"messages": [ASK, BLUE]}, "") == {
        "messages": [ASK, BLUE], "prompt": [ASK], "completion": "It is blue.",
    }  # fmt: skip
    assert with_prompt({"messages": [ASK, BLUE, ASK]}, "")["prompt"] == [ASK, BLUE, ASK]


def test_prompt_and_completion_as_messages_with_the_nulls_of_parquet():
    row = with_prompt({"prompt": [{**ASK, "name": None}], "completion": [{**BLUE, "tool_calls": None}]}, "")
    assert (row["prompt"], row["completion"]) == ([ASK], "It is blue.")


def test_a_row_of_verl():
    row = with_prompt(VERL, "")
    assert (row["prompt"], row["answer"]) == ([ASK], "72")
    assert {name: row[name] for name in VERL} == VERL
    assert with_prompt({**VERL, "answer": "73"}, "")["answer"] == "73"


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": [ASK], "chosen": [BLUE], "rejected": [GREEN]},
        {"chosen": [ASK, BLUE], "rejected": [ASK, GREEN]},
        {"prompt": "What color is the sky?", "chosen": [ASK, BLUE], "rejected": [ASK, GREEN]},
    ],
)
def test_pairs_of_messages(row):
    found = with_pair(row, "")
    assert (found["prompt"], found["chosen"], found["rejected"]) == ([ASK], "It is blue.", "It is green.")


def test_pairs_of_text_without_a_prompt_begin_alike():
    found = with_pair({"chosen": "The sky is blue.", "rejected": "The sky is green."}, "")
    assert (found["prompt"], found["chosen"], found["rejected"]) == ("The sky is", " blue.", " green.")


def test_what_is_no_pair_stays_for_whoever_reads_it():
    for row in (
        {"prompt": [ASK], "chosen": [BLUE, ASK, BLUE], "rejected": [GREEN]},
        {"prompt": "another", "chosen": [ASK, BLUE], "rejected": [ASK, GREEN]},
    ):
        assert with_pair(row, "")["chosen"] == row["chosen"]


def test_tools_of_a_row_are_refused():
    with pytest.raises(SteelyardError, match="line 3: it has tools of its own; leave the column out"):
        with_prompt({"messages": [ASK, BLUE], "tools": [{"type": "function"}]}, "line 3")


ANY = ("prompt", "question", "problem")


def test_a_prompt_in_another_column_is_one():
    row = {"question": "2+2=", "chosen": "The sum is 4", "rejected": "The sum is 5"}
    assert with_pair(row, "", ANY) is row
    assert with_pair({**row, "chosen": [ASK, BLUE], "rejected": [ASK, GREEN]}, "", ANY)["chosen"] == [ASK, BLUE]
    found = with_pair({"question": ASK["content"], "chosen": [ASK, BLUE], "rejected": [ASK, GREEN]}, "", ANY)
    assert found == {"question": [ASK], "chosen": "It is blue.", "rejected": "It is green."}


def test_messages_beside_a_prompt_give_no_more_than_the_answer_to_it():
    row = {"problem": ASK["content"], "messages": [{"role": "system", "content": "Be brief."}, ASK, BLUE]}
    assert with_prompt(row, "", ANY) == {**row, "completion": "It is blue."}
    row = {"problem": "Why?", "messages": [ASK, BLUE]}
    assert with_prompt(row, "", ANY) is row
