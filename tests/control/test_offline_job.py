"""Learning from played episodes as a job: its run directory, a resume, what is measured and played, and refusals."""

import json
from pathlib import Path
from typing import Any

import pytest

import steelyard
from interrupted import cut_short
from steelyard.cli import main
from steelyard.control import Dichotomy
from steelyard.control.offline_job import OfflineControlJob
from steelyard.core import SteelyardError
from steelyard.core.job import Draws, Job, Work
from steelyard.learner.fitting_work import FittingWork

BRIEF = {"learner": Dichotomy(num_latents=3, width=8, batch_size=8, steps=3), "held_out_share": 0.25}
LAKE = {"env": "FrozenLake-v1", "env_settings": '{"max_episode_steps": 12}', "played": 8, "episodes": 3}


@pytest.fixture
def episodes(tmp_path: Path) -> str:
    """Twelve episodes on four places."""
    path = tmp_path / "episodes.jsonl"
    lines = [{"observations": [0, 1 + n % 2, 3], "actions": [n % 2, 1], "rewards": [0, n % 3]} for n in range(12)]
    path.write_text("\n".join(map(json.dumps, lines)))
    return str(path)


def test_settings_are_a_job_and_what_they_open_is_work(episodes: str) -> None:
    job = OfflineControlJob(**BRIEF, trajectories=episodes)
    assert isinstance(job, Job)
    assert isinstance(job, Draws)
    work = job.open()
    assert isinstance(work, Work)
    assert (work.steps, work.num_steps) == (0, 3)
    assert job.plan() == {"data": work.facts, "steps": {"steps": 3}}
    assert (work.facts["episodes"], work.facts["held_out"], work.facts["action"]) == (12, 3, "2 choices")
    row, shown = work.evaluate()
    assert {"eval/action_nll", "eval/promised", "eval/mi_reward", "eval/mi_next"} <= row.keys()
    assert shown == []


def test_a_kill_and_a_resume_change_nothing(
    tmp_path: Path, episodes: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings: dict[str, Any] = {**BRIEF, "trajectories": episodes, "save_steps": 1, "eval_steps": 1, "threads": 1}
    whole = steelyard.train("dichotomy", report=False, output_dir=str(tmp_path / "whole"), **settings).run_dir
    cut = tmp_path / "cut"
    cut_short(monkeypatch, FittingWork, 2, "dichotomy", output_dir=str(cut), **settings)
    steelyard.resume(cut, report=False)
    for file in ("metrics.jsonl", "eval.jsonl", "model/fitting.safetensors"):
        assert (cut / file).read_bytes() == (whole / file).read_bytes(), file
    last = json.loads((whole / "eval.jsonl").read_text().splitlines()[-1])
    assert main(["eval", str(whole), "--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["eval/action_nll"] == last["eval/action_nll"], "what was saved is what was measured"
    assert main(["sample", str(whole)]) == 2
    assert "names no environment to play in; train with --env ID" in capsys.readouterr().err


def test_an_environment_is_learned_from_and_played(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("gymnasium")
    run = tmp_path / "run"
    steelyard.train("dichotomy", report=False, output_dir=str(run), **BRIEF, **LAKE)
    last = json.loads((run / "eval.jsonl").read_text().splitlines()[-1])
    assert 0 < last["eval/episode_steps"] <= 12
    assert main(["sample", str(run), "--samples", "2"]) == 0
    assert capsys.readouterr().out.splitlines()[::2] == ["episode 0", "episode 1"]


def test_what_does_not_fit_is_refused(tmp_path: Path, episodes: str) -> None:
    with pytest.raises(SteelyardError, match="--trajectories: there is nothing to learn from; name a file"):
        OfflineControlJob().plan()
    with pytest.raises(SteelyardError, match="is code that is not run only because a run directory names it"):
        OfflineControlJob(env="mine:Mine-v0").trained(tmp_path / "model")
    with pytest.raises(SteelyardError, match="of 12 episodes 0 are held out"):
        OfflineControlJob(trajectories=episodes, held_out_share=0.01).plan()
    work = OfflineControlJob(**BRIEF, trajectories=episodes).open()
    work.save_model(tmp_path / "model")
    wider = OfflineControlJob(**BRIEF | {"learner": Dichotomy(width=9)}, trajectories=episodes)
    with pytest.raises(SteelyardError, match="holds no fit of this network"):
        wider.trained(tmp_path / "model").open()


def test_an_environment_that_the_file_does_not_fit_is_refused(episodes: str) -> None:
    pytest.importorskip("gymnasium")
    with pytest.raises(SteelyardError, match="line 1: an observation has 1 numbers, and 4 are needed"):
        OfflineControlJob(trajectories=episodes, env="CartPole-v1").plan()
