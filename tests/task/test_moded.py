import json

import pytest

from steelyard.core import SteelyardError
from steelyard.task.moded import ModedColumns, ModedFile

ROW = {"prompt": "x", "positive": "y", "negative": "z", "rejective": "w", "topic": 3}


def moded(**row):
    return ModedFile().moded(row, "line 1")


def test_rows_by_hand(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text("\n".join(map(json.dumps, [ROW, {"prompt": "q", "answer": "a"}])))
    first, second = ModedFile().read(str(path), "--path")
    assert first.answers == {"positive": "y", "negative": "z", "rejective": "w"}
    assert (first.prompt.text, first.prompt.columns, first.ordinary) == ("x", {"topic": 3}, "")
    assert (second.answers, second.ordinary) == ({}, "a")


def test_a_mode_may_be_missing_and_columns_have_other_names():
    assert moded(prompt="x", positive="y", negative="z", rejective=None).answers == {"positive": "y", "negative": "z"}
    file = ModedFile(columns=ModedColumns(rejective="refusal"))
    found = file.moded({"prompt": "x", "positive": "y", "refusal": "w"}, "line 1")
    assert found.answers == {"positive": "y", "rejective": "w"}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"prompt": "x", "positive": "y"}, "it has 1 of positive, negative, rejective"),
        ({"prompt": "x"}, "it has 0 of"),
        ({"prompt": "x", "positive": "y", "negative": "y"}, "two modes have the same answer"),
        ({"prompt": "x", "positive": "y", "negative": 3}, "column 'negative' is 3; write a text"),
        ({"positive": "y", "negative": "z"}, "there is no prompt"),
    ],
)
def test_what_cannot_be_learned_is_refused(row, said):
    with pytest.raises(SteelyardError, match=said):
        moded(**row)
