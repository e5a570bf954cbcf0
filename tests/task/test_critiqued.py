import json

import pytest

from steelyard.core import SteelyardError
from steelyard.task.critiqued import CritiquedColumns, CritiquedFile


def write(path, rows):
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def test_rows_by_hand(tmp_path):
    rows = [
        {"prompt": "a", "response": "b", "score": 2, "critique": "Polite.", "answer": "c"},
        {"question": "a", "response": "b", "refinement": "Shorter.", "next": "c", "score": None, "critique": ""},
        {"prompt": "a", "response": "b", "refinement": ["x", "y"], "next": ["c", "d"], "score": 1.5},
    ]
    first, second, third = CritiquedFile().read(write(tmp_path / "c.jsonl", rows), "--path")
    assert (first.prompt.text, first.response, first.score, first.critique) == ("a", "b", 2.0, "Polite.")
    assert first.prompt.columns == {"answer": "c"}
    assert first.turns == ()
    assert (second.rated, second.turns) == (False, (("Shorter.", "c"),))
    assert (third.rated, third.turns) == (True, (("x", "c"), ("y", "d")))


def test_columns_may_have_other_names_and_prompts_words_around_them(tmp_path):
    rows = [{"asked": "a", "said": "b", "stars": 3}]
    columns = CritiquedColumns(prompt="asked", response="said", score="stars")
    [one] = CritiquedFile(prompt_template="Q: {prompt}\n", columns=columns).read(
        write(tmp_path / "c.jsonl", rows), "--path"
    )
    assert (one.prompt.text, one.response, one.score) == ("Q: a\n", "b", 3.0)


@pytest.mark.parametrize(("changes", "said"), [
    ({"prompt": None}, "there is no prompt"),
    ({"response": " "}, "column 'response' is ' '; write a text"),
    ({"response": None}, "column 'response' is None"),
    ({"score": "good"}, "column 'score' is 'good'; write a number"),
    ({"score": None}, "nothing is said of its response; write 'score', 'critique', or 'refinement' and 'next'"),
    ({"critique": 3}, "column 'critique' is 3; write a text"),
    ({"refinement": "x"}, "it has 1 refinements and 0 next responses; write as many texts in 'next'"),
    ({"refinement": ["x", "y"], "next": ["z"]}, "it has 2 refinements and 1 next responses"),
    ({"refinement": ["x", 1], "next": ["z", "w"]}, "column 'refinement' is"),
])  # fmt: skip
def test_rows_that_cannot_be_read_are_refused(changes, said, tmp_path):
    row = {"prompt": "a", "response": "b", "score": 1} | changes
    with pytest.raises(SteelyardError, match=f"line 1: .*{said}|line 1: {said}"):
        CritiquedFile().read(write(tmp_path / "c.jsonl", [row]), "--path")
