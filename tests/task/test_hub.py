"""A data set of the hub, a directory laid out like one, and a held-out split of its own; nothing is fetched."""

import importlib.util
import json
import sys
import types

import pyarrow
import pyarrow.parquet
import pytest

from steelyard.core import SteelyardError
from steelyard.task import Rows
from steelyard.task.hub import is_hub_id

ROWS = [{"question": f"What is {i}+{i}?", "answer": f"#### {2 * i}"} for i in range(10)]


class Failure(Exception):
    pass


@pytest.fixture
def hub(monkeypatch):
    """A `datasets` that knows one data set; `hub` is the list of what was asked of it."""
    asked = []

    def load_dataset(path, subset, *, split):
        asked.append((path, subset, split))
        if split not in ("train", "test"):
            raise ValueError(f'Unknown split "{split}".\nShould be one of train, test.')
        if path != "openai/gsm8k":
            raise Failure("there is none")
        return [*ROWS[:8], ROWS[0]] if split == "train" else [*ROWS[7:], ROWS[9]]

    exceptions = types.ModuleType("datasets.exceptions")
    exceptions.DatasetsError = Failure
    module = types.ModuleType("datasets")
    module.load_dataset, module.exceptions, module.__spec__ = load_dataset, exceptions, importlib.util.find_spec("json")
    monkeypatch.setitem(sys.modules, "datasets", module)
    monkeypatch.setitem(sys.modules, "datasets.exceptions", exceptions)
    return asked


def test_a_data_set_with_a_split_held_out(hub):
    task = Rows("openai/gsm8k", subset="main", held_out="test", prompt_template="Q: {prompt}")
    assert task.fetches == "openai/gsm8k"
    assert hub == []  # nothing is read before it is asked for
    held, train = task.prompts("held-out"), task.prompts("train")
    assert [p.text for p in held] == [f"Q: What is {i}+{i}?" for i in (7, 8, 9)]
    assert [p.text for p in train] == [f"Q: What is {i}+{i}?" for i in range(7)]  # the seventh is in both: held out
    assert sorted(hub) == [("openai/gsm8k", "main", "test"), ("openai/gsm8k", "main", "train")]


def test_without_a_held_out_split_a_share_is_held_out(hub):
    task = Rows("openai/gsm8k", split="train", held_out_share=0.5)
    assert len(task.prompts("train")) + len(task.prompts("held-out")) == 8
    assert hub == [("openai/gsm8k", None, "train")]


def test_what_the_hub_does_not_have_is_one_line(hub):
    for task, says in ((Rows("nobody/nothing"), "there is none"), (Rows("openai/gsm8k", split="dev"), "Unknown split")):
        with pytest.raises(SteelyardError, match=says) as error:
            task.prompts("train")
        assert "\n" not in str(error.value)


def test_without_datasets_the_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SteelyardError, match=r"pip install 'steelyard\[datasets\]'"):
        Rows("openai/gsm8k").prompts("train")


@pytest.mark.parametrize(
    ("path", "is_id"),
    [("openai/gsm8k", True), ("gsm8k.jsonl", False), ("data/gsm8k.jsonl", False), ("./a/b", False), ("/a/b", False),
     ("a/b/c", False), ("gsm8k", False), ("", False)],
)  # fmt: skip
def test_what_is_a_hub_id(path, is_id):
    assert is_hub_id(path) == is_id


def test_a_directory_that_exists_is_no_hub_id(tmp_path, monkeypatch):
    (tmp_path / "openai/gsm8k").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert not is_hub_id("openai/gsm8k")


def test_a_directory_by_subset_and_split(tmp_path):
    (tmp_path / "main").mkdir()
    for i, rows in enumerate((ROWS[:4], ROWS[4:7])):
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / f"main/train-0000{i}-of-00002.parquet")
    (tmp_path / "main/test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS[7:]))
    task = Rows(str(tmp_path), subset="main", held_out="test")
    assert task.fetches is None
    assert [p.text for p in task.prompts("train")] == [row["question"] for row in ROWS[:7]]
    assert [p.text for p in task.prompts("held-out")] == [row["question"] for row in ROWS[7:]]
    with pytest.raises(SteelyardError, match=r"no such file: dev\*.jsonl or dev\*.parquet"):
        Rows(str(tmp_path), subset="main", held_out="dev").prompts("train")


def test_a_file_held_out_of_a_file(tmp_path):
    for name, rows in (("train", ROWS[:6]), ("test", ROWS[4:])):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    train, test = (str(tmp_path / f"{name}.jsonl") for name in ("train", "test"))
    task = Rows(train, held_out=test)
    assert (len(task.prompts("train")), len(task.prompts("held-out"))) == (4, 6)
    with pytest.raises(SteelyardError, match="every prompt is also held out"):
        Rows(train, held_out=train).prompts("train")
