"""Prompts that nobody scores, and the defence that learns on them."""

import importlib
import json

import pytest

from steelyard.check.scoring import episode_of
from steelyard.cli import main
from steelyard.core import Score, decode, encode
from steelyard.task import Rows, Unscored

FEW = "--max-steps 2 --num-prompts 2 --search-prompts 2 --num-generations 4 --save-steps 0 --runtime inline"
FEW += " --evaluation.prompts 2 --evaluation.sampled-prompts 2 --evaluation.samples 2 --max-completion-length 6"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A directory with prompts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        importlib.import_module("steelyard.training.train"), "write_report", lambda run_dir: None
    )  # plots are slow
    (tmp_path / "q.jsonl").write_text("\n".join(json.dumps({"prompt": f"{n}+1="}) for n in range(40)))
    (tmp_path / "own.py").write_text("def one(prompts, completions, **columns): return [1.0] * len(completions)\n")
    return tmp_path


def test_it_has_the_prompts_of_the_rows_and_scores_nothing(here):
    task = Unscored(Rows(path="q.jsonl", needs_answer=False))
    prompts = task.prompts("train")
    assert list(prompts) == list(task.rows.prompts("train"))
    assert task.score([episode_of(prompts[0], "1"), episode_of(prompts[0], "")]) == [Score(0.0), Score(0.0)]
    assert (task.needs_answer, task.path) == (True, "q.jsonl")
    assert decode(encode(task)) == task


def test_a_defence_on_own_prompts_needs_no_reward(here, capsys, tiny_model_dir):
    words = ["train", "tokenbuncher", "--model", str(tiny_model_dir("llama")), "--path", "q.jsonl", "--warmup", "2"]
    assert main([*words, *FEW.split(), "--output-dir", "run"]) == 0, capsys.readouterr().err
    rows = [json.loads(line) for line in (here / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["objective/noise_step"] for row in rows] == [0.0, 1.0]
    assert all(row["objective/entropy"] > 0 for row in rows)
    assert all(row["batch/reward_mean"] == 0 for row in rows)


def test_a_reward_that_is_named_is_reported(here, capsys, tiny_model_dir):
    words = ["train", "tokenbuncher", "--model", str(tiny_model_dir("llama")), "--path", "q.jsonl"]
    assert main([*words, *FEW.split(), "--reward", "own.py:one", "--output-dir", "run"]) == 0, capsys.readouterr().err
    rows = [json.loads(line) for line in (here / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["batch/reward_mean"] for row in rows] == [1.0, 1.0]
