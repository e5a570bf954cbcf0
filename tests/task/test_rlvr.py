"""RLVR over own rows: what it pays, by the rows' verifier and by a reward of the user's own."""

import importlib
import json
from dataclasses import replace

import pytest

from steelyard.cli import main
from steelyard.core import Episode, Prompt, Score, SteelyardError, VerifiesTurns
from steelyard.recipes import find
from steelyard.runtime.factories import make_task, verified
from steelyard.task import RLVR, Arithmetic, Guessing, Rows

FEW = "--max-steps 1 --num-prompts 2 --search-prompts 2 --num-generations 4 --save-steps 0 --runtime inline"
FEW += " --evaluation.prompts 2 --evaluation.sampled-prompts 2 --evaluation.samples 2 --max-completion-length 12"


class Verifier:
    """A task that scores by the completion itself."""

    def prompts(self, split):
        return []

    def score(self, episodes):
        known = {"yes": Score(1.0, {"form": 0.5}), "half": Score(0.5), "no": Score(0.0)}
        return [known.get(e.completion, Score(None, error="it failed")) for e in episodes]


def said(completion, finish="stop"):
    return Episode.written(Prompt("p", "p"), completion, finish)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A directory with rows and a reward."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(importlib.import_module("steelyard.training.train"), "write_report", lambda run_dir: None)
    rows = [{"prompt": f"{n}+1=", "answer": str(n + 1)} for n in range(40)]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "own.py").write_text("def all(prompts, completions, **columns):\n    return [1.0] * len(completions)\n")
    return tmp_path


def test_by_hand():
    scores = RLVR(task=Verifier()).score([said("yes"), said("half"), said("no"), said("yes", "length"), said("?")])
    assert [score.value for score in scores] == [10.0, 0.0, 0.0, -10.0, None]
    assert [score.right for score in scores] == [True, False, False, False, None]
    assert scores[0].parts == {"form": 0.5, "verified": 1.0}
    assert scores[4].error == "it failed"


def test_what_was_cut_off_is_penalised_also_where_the_verifier_failed():
    [score] = RLVR(task=Verifier()).score([said("?", "length")])
    assert (score.value, score.error) == (-10.0, None)


def test_with_rewards_of_one_and_no_penalty_it_is_the_verifier():
    task = RLVR(task=Verifier(), right=1.0, cut_off=0.0, right_at=0.5)
    assert [s.value for s in task.score([said("yes"), said("half"), said("no")])] == [1.0, 1.0, 0.0]


def test_a_task_of_several_turns_and_a_bonus_for_being_cut_off_are_refused():
    with pytest.raises(SteelyardError, match="Guessing has several turns"):
        RLVR(task=Guessing())
    with pytest.raises(SteelyardError, match=r"rlvr\.cut_off: is 1\.0; use 0 or less"):
        RLVR(task=Arithmetic(), cut_off=1.0)


def test_prompts_and_what_else_rooms_ask_for_are_the_rows(here):
    task = RLVR(task=Rows(path="q.jsonl"))
    assert list(task.prompts("held-out")) == list(task.task.prompts("held-out"))
    assert task.demonstration(task.prompts("train")[0]) == task.prompts("train")[0].columns["answer"]
    assert not hasattr(task, "style")


def test_a_reward_that_the_run_names_takes_the_verifiers_place(here):
    run = replace(find("rlvr"), model="steelyard/arithmetic", task=RLVR(task=Rows(path="q.jsonl")), reward="own.py:all")
    assert isinstance(run.task, VerifiesTurns)
    prompt = run.task.prompts("train")[0]
    task = make_task(verified(run))
    found = task.score([Episode.written(prompt, "?", "stop"), Episode.written(prompt, "?")])
    assert [score.value for score in found] == [10.0, -10.0]


@pytest.mark.parametrize("words", ["", "--reward own.py:all"])
def test_a_run_on_own_rows(here, capsys, words):
    line = f"train rlvr --model steelyard/arithmetic --path q.jsonl {FEW} {words} --output-dir run --json"
    assert main(line.split()) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["steps"] == 1
    samples = [json.loads(line) for line in (here / "run/samples.jsonl").read_text().splitlines()]
    assert {sample["reward"] for sample in samples} <= ({10.0, -10.0} if words else {10.0, 0.0, -10.0})
