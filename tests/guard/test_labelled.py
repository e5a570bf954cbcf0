import json
from pathlib import Path

import pytest

from steelyard.core import SteelyardError
from steelyard.guard.labelled import LabelledFile, TextColumns


def written(place: Path, *rows: object) -> str:
    path = place / "t.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_labels_are_truths_numbers_or_words(tmp_path: Path) -> None:
    path = written(tmp_path, *({"text": f"t{i}", "label": label} for i, label in enumerate([True, 0, "Unsafe", "no"])))
    texts, notes = LabelledFile().read(path)
    assert (texts.texts, texts.harm_N.tolist(), notes) == (["t0", "t1", "t2", "t3"], [True, False, True, False], {})


def test_a_word_of_ones_own_and_equal_rows(tmp_path: Path) -> None:
    rows = [{"said": "x", "kind": "spam"}, {"said": "y", "kind": "ham"}, {"said": "x", "kind": "spam"}]
    texts, notes = LabelledFile(harmful="SPAM", columns=TextColumns("said", "kind")).read(written(tmp_path, *rows))
    assert (texts.texts, texts.harm_N.tolist(), sum(notes.values())) == (["x", "y"], [True, False], 1)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"text": "x"}], "line 1: has no label in column 'label'"),
        ([{"label": 1}], "line 1: there is no column 'text'; choose one of label, or name"),
        ([{"text": " ", "label": 1}], "line 1: column 'text' is ' '; write a text, or name the column"),
        ([{"text": "x", "label": "spam"}], "its label 'spam' says neither harmful nor harmless; say which label"),
        ([{"text": "x", "label": 1}, {"text": "x", "label": 0}], "line 2: its text has another label in an earlier"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(rows: list[object], said: str, tmp_path: Path) -> None:
    with pytest.raises(SteelyardError) as error:
        LabelledFile().read(written(tmp_path, *rows))
    assert said in str(error.value)


def test_the_split_is_by_the_text_and_has_both_kinds(texts_file: Path, tmp_path: Path) -> None:
    file = LabelledFile(held_out_share=0.25)
    texts, _ = file.read(str(texts_file))
    train, held_out = file.split(texts, "t.jsonl")
    assert sorted(train.texts + held_out.texts) == sorted(texts.texts)
    assert 15 < len(held_out.texts) < 45
    only, _ = file.read(written(tmp_path, *({"text": f"{i}", "label": 0} for i in range(9))))
    with pytest.raises(SteelyardError, match="texts to learn from, 0 are harmful"):
        file.split(only, "t.jsonl")
