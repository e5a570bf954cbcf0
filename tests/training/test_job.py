"""A job on given data: its run directory, a resume, and what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import steelyard
from interrupted import cut_short
from steelyard.core import SteelyardError
from steelyard.core.job import Job, Work
from steelyard.learner.given_data import GivenData
from steelyard.recipes import find
from steelyard.training.run_directory import read_finished_run, read_stored_run

FEW = {
    "epochs": 3,
    "batch_size": 2,
    "eval_steps": 2,
    "save_steps": 2,
    "max_completion_length": 4,
    "learning_rate": 1e-2,
}


@pytest.fixture
def files(tmp_path: Path, tiny_model_dir: Callable[[str], Path]) -> dict[str, Any]:
    """Settings of an unlearning job of six steps on a tiny model."""
    forget = [{"prompt": f"{n}+1=", "answer": str(n + 1), "wrong": ["a", "b"]} for n in range(4)]
    retain = [{"prompt": f"{n}-1=", "answer": n - 1, "wrong": ["c", "d"]} for n in range(1, 4)]
    for name, rows in (("forget", forget), ("retain", retain)):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    named = {name: str(tmp_path / f"{name}.jsonl") for name in ("forget", "retain")}
    return {"model": str(tiny_model_dir("llama")), "output_dir": str(tmp_path / "run"), **named, **FEW}


def test_a_run_directory_like_any_other(files: dict[str, Any]) -> None:
    result = steelyard.train("npo", **files)
    assert sorted(path.name for path in result.run_dir.iterdir()) == [
        ".lock", "checkpoint-4", "checkpoint-6", "config.json", "data.json", "eval.jsonl", "metrics.jsonl", "model",
        "report.html", "result.json", "samples.jsonl", "timing.jsonl",
    ]  # fmt: skip
    rows = [json.loads(line) for line in (result.run_dir / "eval.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [0, 2, 4, 6]
    assert result.summary["steps"] == 6
    assert result.summary["before"] == {name: value for name, value in rows[0].items() if name != "step"}
    assert rows[-1]["eval/forget_probability"] < rows[0]["eval/forget_probability"] / 2
    assert rows[-1]["eval/retain_probability"] > rows[0]["eval/retain_probability"]
    finished = read_finished_run(result.run_dir)
    assert finished.settings == find("npo").__class__(**{**vars(find("npo")), **files})
    with pytest.raises(SteelyardError, match="is a job on given data"):
        _ = finished.run


def test_a_kill_and_a_resume_change_nothing(
    files: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = steelyard.train("npo", report=False, **files).run_dir
    cut = tmp_path / "cut"
    cut_short(monkeypatch, GivenData, 3, "npo", **files | {"output_dir": str(cut)})
    assert len((cut / "metrics.jsonl").read_text().splitlines()) == 3
    resumed = steelyard.resume(cut, report=False)
    for name in ("metrics.jsonl", "eval.jsonl", "samples.jsonl", "model/model.safetensors"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes()
    assert resumed.summary["before"]["eval/forget_probability"] > resumed.summary["after"]["eval/forget_probability"]
    with pytest.raises(SteelyardError, match="has reached its end"):
        steelyard.resume(cut)
    longer = steelyard.resume(cut, max_steps=7, report=False)
    assert longer.summary["steps"] == 7
    assert json.loads((cut / "config.json").read_text())["ended_before"] == [6]


def test_what_is_wrong_is_said_before_anything_is_written(files: dict[str, Any], tmp_path: Path) -> None:
    for changed, said in (
        ({"reward": len}, "scored by nothing"),
        ({"num_prompts": 3}, "unknown setting 'num_prompts'"),
        ({"model": ""}, "--model: is missing"),
        ({"forget": ""}, "--forget: is missing"),
        ({"forget": files["retain"]}, "its prompt is in"),
        ({"batch_size": 0}, "--batch-size: is 0"),
        ({"max_completion_length": 62}, "--max-completion-length: is 62"),
        ({"completions": "pair"}, "NPO compares nothing"),
    ):
        with pytest.raises(SteelyardError, match=said):
            steelyard.train("npo", **files | changed)
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_of_another_kind_of_run_is_refused(files: dict[str, Any]) -> None:
    run = steelyard.train("npo", report=False, max_steps=1, **files).run_dir
    (run / "result.json").unlink()
    config = json.loads((run / "config.json").read_text())
    config["run"] = {"class": "steelyard.task.arithmetic:Arithmetic"}
    (run / "config.json").write_text(json.dumps(config))
    with pytest.raises(SteelyardError, match="holds settings of a Arithmetic"):
        read_stored_run(run)


def test_settings_are_a_job_and_what_they_open_is_work(files: dict[str, Any]) -> None:
    recipe = find("npo")
    assert isinstance(recipe, Job)
    job = type(recipe)(**{**vars(recipe), **files})
    work = job.open()
    assert isinstance(work, Work)
    assert (work.steps, work.num_steps) == (0, 6)
    lacking = work.facts["not_measured_without"]
    assert work.facts == {
        "forget": 4,
        "retain": 3,
        "wrong_answers_each": 2,
        "not_measured_without": lacking,
        "notes": {},
    }
