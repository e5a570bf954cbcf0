"""Learning to control as a job: its run directory, a resume, what is played, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("stable_baselines3")

import steelyard
from interrupted import cut_short
from steelyard.cli import main
from steelyard.control import ControlPPO
from steelyard.control.job import ControlJob
from steelyard.control.work import ControlWork
from steelyard.core import SteelyardError
from steelyard.core.job import Draws, Job, Work

BRIEF = {
    "env": "CartPole-v1",
    "env_settings": '{"max_episode_steps": 20}',
    "learner": ControlPPO(steps=192, batch_steps=64),
    "episodes": 4,
}


def test_settings_are_a_job_and_what_they_open_is_work() -> None:
    job = ControlJob(**BRIEF, delay=2)
    assert isinstance(job, Job) and isinstance(job, Draws)
    work = job.open()
    assert isinstance(work, Work)
    assert (work.steps, work.num_steps, work.facts["observation"], work.facts["most_steps"]) == (0, 3, 4 + 2 * 2, 20)
    assert job.plan() == {"environment": work.facts, "steps": {"steps": 3}}
    assert job.title == "ControlPPO on CartPole-v1, seen 2 steps late"


def test_a_kill_and_a_resume_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings: dict[str, Any] = {**BRIEF, "save_steps": 1, "threads": 1}
    whole = steelyard.train("control-ppo", report=False, output_dir=str(tmp_path / "whole"), **settings).run_dir
    cut = tmp_path / "cut"
    cut_short(monkeypatch, ControlWork, 2, "control-ppo", output_dir=str(cut), **settings)
    steelyard.resume(cut, report=False)
    for file in ("metrics.jsonl", "eval.jsonl", "samples.jsonl", "model/ppo.safetensors"):
        assert (cut / file).read_bytes() == (whole / file).read_bytes(), file
    last = json.loads((whole / "eval.jsonl").read_text().splitlines()[-1])
    assert main(["eval", str(whole), "--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["eval/return"] == last["eval/return"], "what was saved plays as what was measured"
    assert main(["sample", str(whole), "--samples", "3"]) == 0
    assert capsys.readouterr().out.splitlines()[::2] == ["episode 0", "episode 1", "episode 2"]


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SteelyardError, match=r"--batch-steps: is 64, .* up to 500 steps; use at least 512"):
        ControlJob(**BRIEF | {"env_settings": "{}"}).plan()
    with pytest.raises(SteelyardError, match="is code that is not run only because a run directory names it"):
        ControlJob(env="mine:Mine-v0").trained(tmp_path / "model")
    ControlJob(**BRIEF).open().save_model(tmp_path / "model")
    with pytest.raises(SteelyardError, match="holds no controller of this system"):
        ControlJob(**BRIEF, delay=1).trained(tmp_path / "model").open()
