import json
from pathlib import Path

import pytest

from steelyard.core import SteelyardError
from steelyard.pretrain import Document, Segment
from steelyard.pretrain.document_file import UNSCORED, DocumentColumns, DocumentFile


def written(path: Path, *rows: dict) -> str:
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def test_scores_come_with_segments_or_with_the_whole_text(tmp_path):
    segments = [{"text": "a b. ", "score": 0}, {"text": "c.", "score": 0.5}]
    path = written(tmp_path / "d.jsonl", {"segments": segments}, {"text": "x. y.", "score": 2})
    found, counts = DocumentFile().read(path, "--documents", scored=True)
    assert found == [
        Document((Segment("a b. ", 0.0), Segment("c.", 0.5))),
        Document((Segment("x. y.", 2.0),)),
    ]
    assert counts == {}


def test_unwanted_words_score_sentences_lines_or_documents(tmp_path):
    text = "One is good. Two is bad!\n Three.\n\nBad? "
    path = written(tmp_path / "d.jsonl", {"text": text})
    for split, texts, scores in (
        ("sentence", ["One is good.", " Two is bad!", "\n Three.", "\n\nBad? "], [0, 1, 0, 0]),
        ("line", ["One is good. Two is bad!\n", " Three.\n\n", "Bad? "], [1, 0, 0]),
        ("document", [text], [1]),
    ):
        file = DocumentFile(unwanted_words="bad, worse", split_by=split)
        [document], _ = file.read(path, "--documents", scored=True)
        assert [s.text for s in document.segments] == texts
        assert [s.score for s in document.segments] == scores
        assert document.text == text
    assert DocumentFile(unwanted_words="bad").score([text, "fine. bad."]) == [0.25, 0.5]


def test_a_scorer_runs_in_a_process_of_its_own_and_what_it_cannot_score_is_left_out(tmp_path):
    source = tmp_path / "scorers.py"
    source.write_text(
        "def f(prompts, completions):\n    return [None if 'q' in c else len(c) / 10 for c in completions]\n"
    )
    path = written(tmp_path / "d.jsonl", {"text": "ab. cdef."}, {"text": "q. r."}, {"text": "ab."})
    found, counts = DocumentFile(scorer=f"{source}:f").read(path, "--documents", scored=True)
    assert [[s.score for s in d.segments] for d in found] == [[0.3, 0.6], [0.3]]
    assert counts == {UNSCORED: 1}


def test_without_a_need_for_scores_there_are_none(tmp_path):
    path = written(tmp_path / "d.jsonl", {"body": "x"})
    columns = DocumentColumns(text="body")
    assert DocumentFile(columns=columns).read(path, "--documents", scored=False)[0] == [Document((Segment("x", 0.0),))]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            {"body": "x"},
            "there is no column 'text'; choose one of body, or name",
        ),
        ({"texts": "x"}, "did you mean 'texts'.*, or name the column with --columns.text or --columns.segments"),
        ({"text": " "}, "column 'text' is ' '; write a text"),
        ({"text": "x"}, "it has no score"),
        ({"text": "x", "score": "high"}, "is no number"),
        ({"segments": []}, "holds no text"),
        ({"segments": [{"text": "a"}]}, "it has no score"),
        ({"segments": [{"txt": "a"}]}, "column 'segments'"),
    ],
)
def test_a_row_that_is_wrong_is_named(tmp_path, row, said):
    path = written(tmp_path / "d.jsonl", {"text": "fine", "score": 0}, row)
    with pytest.raises(SteelyardError, match=said) as refused:
        DocumentFile().read(path, "--documents", scored=True)
    assert "line 2" in str(refused.value)


def test_two_scorers_are_one_too_many():
    with pytest.raises(SteelyardError, match="--unwanted-words"):
        DocumentFile(scorer="a:b", unwanted_words="c")
