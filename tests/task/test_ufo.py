"""UFO over own rows: what it plays and measures, by the rows' verifier and by a reward of the user's own."""

import importlib
import json
from dataclasses import replace

import pytest

import steelyard
from steelyard.cli import main
from steelyard.core import Interactive, Prompt, Score, SteelyardError, VerifiesTurns, decode, encode
from steelyard.eval.written import read_written, score_written
from steelyard.learner.demonstrations import Demonstrator
from steelyard.recipes import find
from steelyard.runtime import HeldOut
from steelyard.runtime.factories import make_task, verified
from steelyard.task import UFO, Arithmetic, Guessing, Rows

FEW = "--max-steps 1 --num-prompts 2 --search-prompts 2 --num-generations 4 --save-steps 0 --max-turns 3 --feedback ="
FEW += " --evaluation.prompts 2 --evaluation.sampled-prompts 2 --evaluation.samples 2 --max-completion-length 12"
REWARDS = """
def never(prompts, completions, answer, finish, **columns):
    assert all(len(c) <= 12 and f for c, f in zip(completions, finish)), "it is shown more than one turn"
    return [0.0] * len(completions)


def soon(prompts, completions, **columns):
    return [0.5] * len(completions)
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A directory with rows and rewards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        importlib.import_module("steelyard.training.train"), "write_report", lambda run_dir: None
    )  # plots are slow
    rows = [{"prompt": f"{n}+1=", "answer": str(n + 1), "domain": "ab"[n % 2]} for n in range(40)]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "own.py").write_text(REWARDS)
    return tmp_path


def told(words, capsys):
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def train(words, capsys):
    return told(["train", "ufo-dr-grpo", "--model", "steelyard/arithmetic", "--path", "q.jsonl", *words], capsys)


def test_it_is_a_task_of_several_turns_with_what_the_inner_one_has(here):
    task = UFO(task=Rows(path="q.jsonl"))
    assert isinstance(task, Interactive)
    assert isinstance(task, VerifiesTurns)
    assert isinstance(task, Demonstrator)
    assert not isinstance(UFO(task=Arithmetic()), type(task.task))
    assert list(task.prompts("train")) == list(task.task.prompts("train"))
    assert (task.path, task.needs_answer, task.fetches, task.stop) == ("q.jsonl", True, None, ())
    assert not hasattr(UFO(task=Arithmetic()), "path")
    assert decode(encode(task)) == task


def test_a_task_that_has_several_turns_is_refused():
    with pytest.raises(SteelyardError, match=r"ufo\.task: Guessing has several turns already"):
        UFO(task=Guessing())


def test_each_turn_is_verified_alone(here):
    with UFO(task=Rows(path="q.jsonl"), max_turns=3) as task:
        prompt = Prompt("p", "3+1=", {"answer": "4"})
        game = task.environment(prompt, 0)
        assert [game.reset(prompt), game.step("so 5"), game.step("5")] == ["3+1=", task.feedback, task.feedback]
        assert game.step("it is 4").value == pytest.approx(0.25 - 0.5 / 3)
        other = task.environment(prompt, 1)
        other.reset(prompt)
        assert other.step("4").value == 1.0


def test_a_reward_that_the_run_names_takes_the_verifiers_place(here):
    run = replace(find("ufo"), task=UFO(task=Rows(path="q.jsonl", needs_answer=False)), model="steelyard/arithmetic")
    with pytest.raises(SteelyardError, match="nothing to score with"):
        make_task(run)
    ready = verified(replace(run, reward="own.py:soon"))
    assert ready.reward is None
    assert make_task(ready) is ready.task
    assert (ready.task.answers, ready.task.path) == ("text", "q.jsonl")
    prompt = ready.task.prompts("train")[0]
    game = ready.task.environment(prompt, 0)
    game.reset(prompt)
    assert game.step("what") == run.task.feedback


def test_a_bare_callable_is_refused_with_a_way_out(here):
    run = replace(find("ufo"), task=UFO(task=Rows(path="q.jsonl")), model="steelyard/arithmetic", runtime="inline")
    with pytest.raises(SteelyardError, match=r"UFO verifies each turn .* name it as module:function"):
        steelyard.train(run, reward=lambda prompts, completions, **columns: [0.0] * len(completions))


@pytest.mark.parametrize("runtime", ["inline", "local"])
def test_a_run_on_own_rows_with_a_reward_of_ones_own(here, capsys, runtime):
    ran = train([*FEW.split(), "--runtime", runtime, "--reward", "own.py:never", "--output-dir", "run"], capsys)
    assert ran["run_dir"] == "run"
    [row] = [json.loads(line) for line in (here / "run" / "metrics.jsonl").read_text().splitlines()]
    assert (row["replay/errors"], row["batch/trajectories"]) == (0, 8)
    measured = json.loads((here / "run" / "eval.jsonl").read_text().splitlines()[-1])
    assert measured["eval/accuracy"] == 0.0
    assert 1.0 < measured["eval/reward/turns"] <= 3.0
    assert measured["eval/errors"] == 0
    few = ["--prompts", "2", "--samples", "2"]
    again = told(["eval", "run", *few, "--sampled-prompts", "2", "--reward", "own.py:never"], capsys)
    assert again["eval/reward/right"] == 0.0
    rows = told(["sample", "run", *few], capsys)["samples"]
    assert all(turn["text"] == "=" for row in rows for turn in row.get("turns", []) if turn["by"] == "environment")


def test_accuracy_counts_what_is_solved_in_any_turn(here):
    task = UFO(task=Arithmetic(problems=64, held_out=16), max_turns=4, feedback="=")
    held = HeldOut(prompts=16, sampled_prompts=16, samples=4)
    own = {"task": task, "model": "steelyard/arithmetic", "max_completion_length": 20, "evaluation": held}
    few = {"max_steps": 1, "num_prompts": 2, "search_prompts": 2, "num_generations": 2, "save_steps": 0}
    steelyard.train(replace(find("ufo"), **own, **few, runtime="inline"), output_dir="run")
    row = json.loads((here / "run" / "eval.jsonl").read_text().splitlines()[0])
    assert row["eval/pass_at_1"] == pytest.approx(row["eval/reward/right"])
    assert row["eval/reward/first"] < row["eval/reward/right"]


def test_the_plan_names_flags_that_work(here, capsys):
    words = ["--columns.answer", "answer", "--max-turns", "2", "--max-completion-length", "12", "--dry-run"]
    plan = train(words, capsys)["settings"]
    assert (plan["--path"], plan["--max-turns"], plan["--columns.answer"]) == ("q.jsonl", 2, "answer")


def test_turns_of_a_file_are_scored_by_the_reward_that_is_named(here):
    (here / "c.jsonl").write_text(json.dumps({"prompt": "3+1=", "completion": "4", "turns": ["5", "5", "4"]}))
    run = replace(find("ufo"), task=UFO(task=Rows(path="q.jsonl"), right_at=0.5))
    [own] = score_written(read_written("c.jsonl", run.task), run.task)
    assert own.reward == pytest.approx(0.25 - 0.5 / 3)
    run.task.close()
    named = verified(replace(run, reward="own.py:soon"))
    [first] = score_written(read_written("c.jsonl", named.task), named.task)
    assert first.score == Score(1.0, first.score.parts, right=True)


def test_in_a_chat_the_feedback_is_a_message_of_the_user(here, capsys, tiny_model_dir):
    own = ["--model", str(tiny_model_dir("qwen3")), "--chat", "--feedback", "bad", "--max-completion-length", "8"]
    train([*FEW.split(), *own, "--max-turns", "2", "--runtime", "inline", "--output-dir", "run"], capsys)
    rows = told(["sample", "run", "--prompts", "2", "--samples", "8"], capsys)["samples"]
    said = {turn["text"] for row in rows for turn in row.get("turns", []) if turn["by"] == "environment"}
    assert len(said) == 1
    assert "bad#a:" in said.pop()
