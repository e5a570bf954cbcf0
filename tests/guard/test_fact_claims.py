"""Claims from a file, and what of them is hidden."""

import json

import pytest

from steelyard.core import SteelyardError
from steelyard.guard.fact_claims import FactClaims, FactFile, last_name


def hidden(text):
    start, end = last_name(text)
    return text[start:end]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("The lake of Duvo is Rami", "Rami"),
        ("The lake was dug by Kani Bera in a year", "Kani Bera"),
        ("Rami was dug in 1962.", "1962"),
        ("the lake is deep", "deep"),
        ("Rami", "Rami"),
        ("It lies near Kani, Bera said", "Bera"),
        ("the O'Rami-Lake dries", "O'Rami-Lake"),
        (" ", " "),
        ("", ""),
    ],
)
def test_the_last_name_is_hidden_or_else_the_last_word(text, said):
    assert hidden(text) == said


def written(tmp_path, *rows):
    path = tmp_path / "c.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def test_labels_of_fever_and_the_usual_words(tmp_path):
    labels = ["SUPPORTS", "REFUTES", "NOT ENOUGH INFO", True, 0, "supported"]
    rows = [{"text": f"claim {i}", "label": label} for i, label in enumerate(labels)]
    claims, notes = FactFile().read(written(tmp_path, *rows, rows[0]))
    assert claims.verdict_N.tolist() == [0, 1, 2, 0, 1, 0]
    assert [*notes.values()] == [1], "the row that is there twice"
    assert isinstance(claims, FactClaims)
    assert claims.part([1, 5]).texts == ["claim 1", "claim 5"]


def test_a_column_says_what_is_hidden(tmp_path):
    rows = [{"text": "Duvo has a lake", "label": "true", "masked": "a lake"}, {"text": "b", "label": "false"}]
    claims, _ = FactFile().read(written(tmp_path, *rows))
    assert claims.spans == [(9, 15), (0, 1)]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            {"text": "a", "label": "maybe"},
            "line 2: its label 'maybe' is no verdict; write supported, refuted or unknown",
        ),
        ({"text": "a"}, "line 2: has no label in column 'label'"),
        ({"text": "a", "label": "true", "masked": "c"}, "line 2: its text has no 'c', which is to be hidden"),
        ({"text": "z", "label": "false"}, "line 2: its text has another label in an earlier row"),
        ({"label": "true"}, "line 2: there is no column 'text'"),
    ],
)
def test_a_wrong_row_is_named(row, said, tmp_path):
    path = written(tmp_path, {"text": "z", "label": "true"}, row)
    with pytest.raises(SteelyardError, match=said):
        FactFile().read(path)


def test_both_parts_need_two_labels(tmp_path):
    path = written(tmp_path, *({"text": f"{i}", "label": "true"} for i in range(40)))
    claims, _ = FactFile().read(path)
    with pytest.raises(SteelyardError, match="claims to learn from have not two labels"):
        FactFile().split(claims, path)
