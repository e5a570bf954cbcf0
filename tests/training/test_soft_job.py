"""RL on soft tokens as a job: its run directory, a kill and a resume, and what is refused."""

import json

import pytest

import steelyard
from interrupted import cut_short
from steelyard.core import SteelyardError
from steelyard.core.job import Job, Speaks, Work
from steelyard.rollout import SoftTokens
from steelyard.task import Rows
from steelyard.training.soft_job import SampledWork, SoftTuning


@pytest.fixture
def settings(tmp_path, tiny_model_dir):
    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(json.dumps({"prompt": f"{n}+1=", "answer": str(n + 1)}) for n in range(8)))
    own = {"model": str(tiny_model_dir("llama")), "task": Rows(path=str(path), held_out_share=0.4)}
    few = {"num_generations": 2, "max_completion_length": 3, "max_steps": 2, "held_out_samples": 2, "threads": 1}
    return {**own, **few, "soft": SoftTokens(soft_steps=2), "save_steps": 1, "eval_steps": 2}


def test_settings_are_a_job_and_what_they_open_is_work(settings):
    job = SoftTuning(**settings)
    assert isinstance(job, Job) and isinstance(job, Speaks)
    work = job.open()
    assert isinstance(work, Work)
    assert job.plan()["steps"] == {"steps": 2, "samples": 4}
    row, shown = work.evaluate()
    assert {"eval/accuracy", "eval/pass_at_2", "eval/soft_accuracy", "eval/soft_pass_at_2"} <= row.keys()
    assert shown[0]["prompt"]
    assert "batch/reward_mean" in work.step()
    work.close()


def test_a_kill_and_a_resume_change_nothing(tmp_path, settings, monkeypatch):
    whole = steelyard.train("soft-tokens", report=False, output_dir=str(tmp_path / "whole"), **settings).run_dir
    cut = tmp_path / "cut"
    cut_short(monkeypatch, SampledWork, 1, "soft-tokens", output_dir=str(cut), **settings)
    steelyard.resume(cut, report=False)
    for file in ("metrics.jsonl", "eval.jsonl", "model/model.safetensors"):
        assert (cut / file).read_bytes() == (whole / file).read_bytes(), file


def test_a_thought_that_does_not_fit_is_refused(settings):
    with pytest.raises(SteelyardError, match=r"--soft-steps: is 61: .* the model's context has 64; lower it or"):
        SoftTuning(**settings | {"soft": SoftTokens(soft_steps=61)}).plan()
    with pytest.raises(SteelyardError, match="--num-generations: is 1; use 2 or more"):
        SoftTuning(**settings | {"num_generations": 1})
