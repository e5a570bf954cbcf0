"""Texts of several tasks from a file."""

import json

import pytest

from steelyard.core import SteelyardError
from steelyard.guard.task_texts import ALONE, TaskFile


def written(tmp_path, *rows):
    path = tmp_path / "t.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def test_tasks_keep_the_order_of_the_file_and_labels_are_sorted(tmp_path):
    rows = [
        {"text": "a", "label": "no", "task": "bait"}, {"text": "b", "label": 1, "task": "bias"},
        {"text": "b", "label": "maybe", "task": "bait"}, {"text": "c", "label": 0, "task": "bias"},
        {"text": "a", "label": "no", "task": "bait"}, {"text": "d", "label": True}, {"text": "e", "label": False},
    ]  # fmt: skip
    tasks, notes = TaskFile().read(written(tmp_path, *rows))
    assert {name: task.labels for name, task in tasks.items()} == {
        "bait": ("maybe", "no"), "bias": ("0", "1"), ALONE: ("false", "true"),
    }  # fmt: skip
    assert tasks["bait"].texts == ["a", "b"] and tasks["bait"].label_N.tolist() == [1, 0]
    assert [*notes.values()] == [1]


def test_a_text_is_on_one_side_in_every_task(tmp_path):
    rows = [{"text": f"{i}", "label": i % 2, "task": task} for task in ("a", "b") for i in range(40)]
    path = written(tmp_path, *rows)
    train, held_out = TaskFile().split(TaskFile().read(path)[0], path)
    assert train["a"].texts == train["b"].texts and held_out["a"].texts == held_out["b"].texts
    assert len(train["a"].texts) + len(held_out["a"].texts) == 40


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"text": "a", "label": "y", "task": "a b"}, "line 2: its task 'a b' is no name"),
        ({"text": "a", "label": "y", "task": "t.u"}, "line 2: its task 't.u' is no name"),
        ({"text": "a", "task": "t"}, "line 2: there is no column 'label'"),
        ({"text": "a", "label": 0.5, "task": "t"}, "line 2: column 'label' is 0.5"),
        ({"text": "z", "label": "y", "task": "t"}, "line 2: its text has another label in an earlier row"),
        ({"text": "a", "label": "x", "task": "t"}, "all texts of task 't' have the label 'x'"),
    ],
)
def test_a_wrong_row_is_named(row, said, tmp_path):
    path = written(tmp_path, {"text": "z", "label": "x", "task": "t"}, row)
    with pytest.raises(SteelyardError, match=said):
        TaskFile().read(path)


def test_a_task_with_too_few_texts_is_refused(tmp_path):
    path = written(tmp_path, {"text": "z", "label": "x", "task": "t"}, {"text": "y", "label": "v", "task": "t"})
    with pytest.raises(SteelyardError, match="of 2 texts of task 't' there is none to"):
        TaskFile(held_out_share=0.01).split(TaskFile().read(path)[0], path)
