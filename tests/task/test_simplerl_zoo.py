"""Zero RL over own rows: what it pays with and without a form, and a run of the recipe."""

import importlib
import json
from dataclasses import replace

import pytest

from steelyard.cli import main
from steelyard.core import Episode, Prompt, Score, SteelyardError, VerifiesTurns
from steelyard.recipes import find
from steelyard.runtime.factories import make_task, verified
from steelyard.task import Guessing, Rows, SimpleRLZoo

FEW = "--max-steps 4 --num-prompts 2 --search-prompts 8 --num-generations 2 --save-steps 0 --runtime inline"
FEW += " --evaluation.prompts 2 --evaluation.sampled-prompts 2 --evaluation.samples 2 --max-completion-length 12"


class Verifier:
    """A task that looks for yes."""

    def prompts(self, split):
        return []

    def score(self, episodes):
        return [Score(None, error="it failed") if "?" in e.completion else Score(float("yes" in e.completion),
                {"length": 3.0}) for e in episodes]  # fmt: skip


def said(completion):
    return Episode.written(Prompt("p", "p"), completion, "stop")


def test_without_a_form_right_answers_alone_are_paid():
    scores = SimpleRLZoo(task=Verifier()).score([said("yes"), said("[yes]"), said("no"), said("?")])
    assert [score.value for score in scores] == [1.0, 1.0, 0.0, None]
    assert [score.right for score in scores] == [True, True, False, None]
    assert scores[0].parts == {"length": 3.0, "verified": 1.0}
    assert scores[3].error == "it failed"


def test_with_a_form_by_hand():
    task = SimpleRLZoo(task=Verifier(), form=r"\[.*\]")
    scores = task.score([said("so [yes]"), said("yes"), said("[no]"), said("no"), said("[?]")])
    assert [score.value for score in scores] == [1.0, -1.0, -0.5, -1.0, None]
    assert [score.right for score in scores] == [True, True, False, False, None]
    assert [score.parts["formed"] for score in scores[:4]] == [1.0, 0.0, 1.0, 0.0]


def test_a_form_that_all_have_and_no_penalty_is_the_verifier():
    task = SimpleRLZoo(task=Verifier(), form=".", wrong=0.0)
    plain = SimpleRLZoo(task=Verifier())
    episodes = [said("yes"), said("no"), said("yes no")]
    assert [s.value for s in task.score(episodes)] == [s.value for s in plain.score(episodes)]


def test_what_cannot_be_is_refused():
    with pytest.raises(SteelyardError, match="Guessing has several turns"):
        SimpleRLZoo(task=Guessing())
    with pytest.raises(SteelyardError, match=r"simplerl-zoo\.wrong: is 1\.0; use 0 or less"):
        SimpleRLZoo(wrong=1.0)
    with pytest.raises(SteelyardError, match=r"simplerl-zoo\.form: is no regular expression"):
        SimpleRLZoo(form="(")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A directory with rows and a reward."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(importlib.import_module("steelyard.training.train"), "write_report", lambda run_dir: None)
    rows = [{"prompt": f"{n}+1=", "answer": str(n + 1)} for n in range(40)]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "own.py").write_text("def all(prompts, completions, **columns):\n    return [1.0] * len(completions)\n")
    return tmp_path


def test_a_reward_that_the_run_names_takes_the_verifiers_place(here):
    task = SimpleRLZoo(task=Rows(path="q.jsonl"), form="#")
    run = replace(find("simplerl-zoo"), model="steelyard/arithmetic", task=task, reward="own.py:all")
    assert isinstance(run.task, VerifiesTurns)
    prompt = run.task.prompts("train")[0]
    found = make_task(verified(run)).score([Episode.written(prompt, "#a", "stop"), Episode.written(prompt, "a")])
    assert [score.value for score in found] == [1.0, -1.0]


def test_a_run_on_own_rows_and_its_gauges(here, capsys):
    line = f"train simplerl-zoo --model steelyard/arithmetic --path q.jsonl --prompt-template {{prompt}} {FEW}"
    assert main([*line.split(), "--output-dir", "run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["steps"] == 4
    rows = [json.loads(line) for line in (here / "run/metrics.jsonl").read_text().splitlines()]
    gauges = [row for row in rows if "search/truncated" in row]
    assert gauges
    for row in gauges:
        assert 0 <= row["search/truncated"] <= 1
        assert 0 < row["search/length_mean"] <= 12
    [first, *_] = [json.loads(line) for line in (here / "run/eval.jsonl").read_text().splitlines()]
    assert {"eval/truncated", "eval/pass_at_1", "eval/pass_at_2", "eval/reward/verified"} <= first.keys()
