"""`steelyard train unified-m2` on one's own encoder and tasks: the run, a resume, a new task, and heads as rewards."""

import json

import pytest
import torch

import steelyard
from interrupted import cut_short
from policy.encoders import save_encoder
from steelyard.check.scoring import episode_of
from steelyard.cli import main
from steelyard.core import Prompt, SteelyardError
from steelyard.core.job import Job
from steelyard.guard.unified_guard import UnifiedGuard, read_unified
from steelyard.learner.fitting_work import FittingWork
from steelyard.policy.loading import load_encoder
from steelyard.recipes import find
from steelyard.reward import reward_function
from steelyard.training.run_directory import read_finished_run

FEW = {"report": False, "save_steps": 2, "eval_steps": 50}


def rows_of(tasks):
    """Texts whose last letter tells the label of every task."""
    return [
        {"text": f"{task[0]}{i} {'xy'[i % 2]}", "label": ["no", "yes"][i % 2], "task": task}
        for task, number in tasks.items()
        for i in range(number)
    ]


@pytest.fixture
def write(tmp_path):
    def do(name, tasks):
        path = tmp_path / f"{name}.jsonl"
        path.write_text("\n".join(map(json.dumps, rows_of(tasks))))
        return str(path)

    return do


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return save_encoder(tmp_path_factory.mktemp("encoder"))


def test_tasks_learn_and_a_new_one_begins_there(encoder, write, tmp_path):
    own = {"model": encoder, "texts": write("four", {"bait": 60, "bias": 40}), "max_steps": 60}
    learning = steelyard.recipes.find("unified-m2").learning.__class__(learning_rate=5e-3)
    result = steelyard.train("unified-m2", output_dir=str(tmp_path / "run"), learning=learning, **own, **FEW)
    after = result.summary["after"]
    assert after["eval/f1"] > 0.9
    assert after["eval/f1"] == pytest.approx((after["eval/f1_bait"] + after["eval/f1_bias"]) / 2)
    job = read_finished_run(result.run_dir).job(base=False)
    assert isinstance(job, Job)
    row, _ = job.open().evaluate()
    assert row == {name: pytest.approx(after[name], abs=1e-6) for name in row}, "what was saved says what was measured"
    reward = reward_function(f"task:{result.run_dir}:bait:yes")
    high, low = (score.value or 0.0 for score in reward([episode_of(Prompt("p", "q"), t) for t in ("b1 y", "b2 x")]))
    assert high > 0.5 > low
    more = {"model": str(result.run_dir), "texts": write("new", {"bait": 30, "fake": 30}), "max_steps": 1}
    run = steelyard.train("unified-m2", output_dir=str(tmp_path / "new"), **more, **FEW).run_dir
    begun, before = read_unified(str(run)), read_unified(str(result.run_dir))
    assert [*begun.tasks] == ["bait", "fake"]
    torch.testing.assert_close(begun.heads["bait"].out.weight, before.heads["bait"].out.weight, atol=1e-4, rtol=0.0)
    assert main(["eval", str(result.run_dir), "--texts", own["texts"]]) == 0


def test_a_kill_and_a_resume_change_nothing(encoder, write, tmp_path, monkeypatch):
    own = {"model": encoder, "texts": write("two", {"bait": 60, "bias": 40}), "max_steps": 5} | FEW
    whole = steelyard.train("unified-m2", output_dir=str(tmp_path / "whole"), **own).run_dir
    cut = tmp_path / "cut"
    cut_short(monkeypatch, FittingWork, 3, "unified-m2", output_dir=str(cut), **own)
    steelyard.resume(cut, report=False)
    for name in ("metrics.jsonl", "eval.jsonl", "model/model.safetensors", "model/heads.safetensors"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.parametrize("pool", ["first", "mean"])
def test_a_text_is_read_alone_as_among_others(pool, encoder):
    guard = UnifiedGuard(*load_encoder(encoder, "float32"), {"t": ("a", "b", "c")}, pool=pool, longest=6)
    texts = ["ab", "", "abcdefgh"]
    among = guard.shares("t", texts)
    assert among.shape == (3, 3)
    torch.testing.assert_close(among, torch.cat([guard.shares("t", [text]) for text in texts]))
    torch.testing.assert_close(among[2:], guard.shares("t", ["abcdzzzz"])), "4 letters and 2 marks are read"
    assert guard.shares("t", []).shape == (0, 3)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("{run}", "names no task and label; write task:RUN:TASK:LABEL"),
        ("nowhere:t:a", "nowhere: there is no encoder with tasks"),
        ("{run}:u:a", "there is no task 'u'; "),
        ("{run}:t:c", "task 't' has no label 'c'; "),
    ],
)
def test_a_reward_of_nothing_is_refused(place, said, encoder, tmp_path):
    UnifiedGuard(*load_encoder(encoder, "float32"), {"t": ("a", "b")}).write(tmp_path / "run")
    reward = reward_function(f"task:{place.format(run=tmp_path / 'run')}")
    with pytest.raises(SteelyardError, match=said):
        reward([episode_of(Prompt("p", "q"), "a")])


def test_what_is_damaged_is_refused(encoder, tmp_path):
    UnifiedGuard(*load_encoder(encoder, "float32"), {"t": ("a", "b")}).write(tmp_path / "run")
    (tmp_path / "run/tasks.json").write_text('{"tasks": 3}')
    with pytest.raises(SteelyardError, match="no encoder with tasks can be read"):
        read_unified(str(tmp_path / "run"))


def test_texts_of_other_tasks_are_not_measured(encoder, write, tmp_path, capsys):
    own = {"model": encoder, "texts": write("one", {"bait": 40}), "max_steps": 1}
    run = steelyard.train("unified-m2", output_dir=str(tmp_path / "run"), **own, **FEW).run_dir
    assert main(["eval", str(run), "--texts", write("other", {"bias": 40})]) == 2
    assert "task 'bias' with labels no/yes was not learned; it knows bait (no/yes)" in capsys.readouterr().err


def test_a_plan_counts_steps(encoder, write, capsys):
    assert isinstance(find("unified-m2"), Job)
    path = write("two", {"bait": 60, "bias": 40})
    line = ["train", "unified-m2", "--model", encoder, "--texts", path, "--epochs", "3", "--batch", "8", "--dry-run"]
    assert main(line) == 0
    assert "steps" in capsys.readouterr().err
