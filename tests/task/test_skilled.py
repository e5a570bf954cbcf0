import json

import pytest

from steelyard.core import SteelyardError
from steelyard.task.skilled import SkilledColumns, SkilledFile, numbered

ROWS = [
    {"prompt": "1+1=", "answer": 2, "skill": "sum"},
    {"prompt": "3-1=", "answer": "2", "skill": "difference"},
    {"prompt": "1+2=", "answer": 3, "skill": "sum"},
]


def read(tmp_path, rows, **columns):
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return SkilledFile(columns=SkilledColumns(**columns)).read(str(path), "--path")[0]


def test_a_row_keeps_its_skill_and_skills_are_numbered_in_alphabetical_order(tmp_path):
    rows = read(tmp_path, ROWS)
    assert [row.prompt.columns["skill"] for row in rows] == ["sum", "difference", "sum"]
    labelled, domains = numbered(rows)
    assert domains == {"difference": 0, "sum": 1}
    assert [row.prompt.of_label("domain") for row in labelled] == [1, 0, 1]
    assert [row.answer for row in labelled] == ["2", "2", "3"]
    assert [row.prompt.id for row in labelled] == [row.prompt.id for row in rows]


def test_another_column_and_whole_numbers(tmp_path):
    rows = read(tmp_path, [{"prompt": "a", "answer": "b", "level": 7}], skill="level")
    labelled, domains = numbered(rows)
    assert domains == {7: 7}
    assert labelled[0].prompt.of_label("domain") == 7


def test_rows_of_several_skills_are_read_and_not_numbered(tmp_path):
    rows = read(tmp_path, [{"prompt": "a", "answer": "b", "skill": ["sum", "difference"]}])
    assert rows[0].prompt.columns["skill"] == ["sum", "difference"]
    with pytest.raises(SteelyardError, match=r"rows.jsonl, line 1: its domain is \['sum', 'difference'\]"):
        numbered(rows)


@pytest.mark.parametrize("row", [{}, {"skill": None}])
def test_a_row_without_a_skill_is_refused_with_its_place(tmp_path, row):
    with pytest.raises(SteelyardError, match=r"rows.jsonl, line 1: there is no skill: column 'skill'; .*columns.skill"):
        read(tmp_path, [{"prompt": "a", "answer": "b", **row}])
