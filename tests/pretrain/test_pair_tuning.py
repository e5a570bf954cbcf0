"""Supervised tuning on proposals with verdicts."""

import json

import pytest

from steelyard.cli import main
from steelyard.core import Prompt, SteelyardError
from steelyard.pretrain.pair_tuning import PairTuning
from steelyard.task.answered import Answered
from steelyard.task.self_check import SelfCheckMarks

MARKS = SelfCheckMarks(verify="v", accept="y", reject="n")


def test_sequences_by_hand():
    row = Answered(Prompt("p", "1+1="), "2", ("3", "4"))
    told = [one.answer for one in PairTuning(marks=MARKS).sequences(row)]
    assert told == ["2vy", "3vn2vy", "4vn2vy"]
    assert [one.answer for one in PairTuning(marks=MARKS).sequences(Answered(row.prompt, "2"))] == ["2vy"]


def rows(tmp_path, **more):
    path = tmp_path / "q.jsonl"
    path.write_text("\n".join(json.dumps({"prompt": f"{n}+1=", "answer": n + 1, **more}) for n in range(20)))
    return str(path)


def test_a_job_on_own_rows(tmp_path, tiny_model_dir, capsys):
    marks = ["--verify", "c", "--accept", "a", "--reject", "b"]
    words = ["train", "spoc-sft", "--model", str(tiny_model_dir("llama")), "--path", rows(tmp_path, wrong=["1", "0"])]
    few = [*marks, "--max-steps", "1", "--max-completion-length", "6", "--json"]
    assert main([*words, *few, "--output-dir", str(tmp_path / "run")]) == 0, capsys.readouterr().err
    capsys.readouterr()
    assert main([*words, *few, "--dry-run"]) == 0
    data = json.loads(capsys.readouterr().out.splitlines()[-1])["job"]["data"]
    assert data["train"] == 3 * (20 - data["held_out"])


def test_rows_without_wrong_answers_are_refused(tmp_path):
    with pytest.raises(SteelyardError, match=r"no row to learn from has a wrong answer; give rows a list"):
        PairTuning(path=rows(tmp_path)).plan()
