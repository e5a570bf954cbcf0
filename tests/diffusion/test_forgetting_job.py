"""Forgetting classes as a job: its run directory, a resume, what is drawn, and the audit of what is left."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import steelyard
from interrupted import cut_short
from steelyard.cli import main
from steelyard.core import SteelyardError
from steelyard.core.job import Draws, Job, Work
from steelyard.diffusion import DDPM, ESD, SFD
from steelyard.diffusion.forgetting_job import ForgettingJob
from steelyard.diffusion.job import DiffusionJob
from steelyard.diffusion.saved import read_diffusion
from steelyard.learner.fitting_work import FittingWork

PROMPTS = ["a low bar", "a high bar"]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of two classes of 2 x 2 images, dark and light, which reads prompts."""
    here = tmp_path_factory.mktemp("known")
    label = np.arange(60) % 2
    images = label[:, None] * 100.0 + np.random.default_rng(0).normal(size=(60, 4))
    np.savez(here / "images.npz", images=images.reshape(-1, 2, 2), labels=label, prompts=np.array(PROMPTS))
    trainer = DDPM(width=32, layers=1, train_steps=200, batch=32)
    work = DiffusionJob(trainer=trainer, images=str(here / "images.npz")).open()
    while work.steps < work.num_steps:
        work.step()
    work.save_model(here / "model")
    return here


def test_settings_are_a_job_and_what_they_open_is_work(known: Path) -> None:
    job = ForgettingJob(way=SFD(forget_steps=7), diffusion=str(known / "model"), forget=(1,))
    assert isinstance(job, Job) and isinstance(job, Draws)
    work = job.open()
    assert isinstance(work, Work)
    assert (work.num_steps, work.facts["forget"], work.facts["kept"], work.facts["shape"]) == (7, 1, 1, "2 x 2")
    assert job.plan()["steps"] == {"steps": 7}
    row, shown = work.evaluate()
    assert row["eval/left"] > 0.6 and row["eval/right"] > 0.6, "nothing is forgotten yet"
    assert [sample["prompt"] for sample in shown] == [PROMPTS[1], PROMPTS[0]]


def test_the_command_forgets_and_draws_the_safe_class(
    known: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(tmp_path / "run")
    way = SFD(forget_steps=150, forget_weight=1.0).at(1e-3)
    steelyard.train("sfd", report=False, output_dir=run, diffusion=str(known / "model"), forget=(1,), way=way)
    rows = [json.loads(line) for line in (tmp_path / "run/eval.jsonl").read_text().splitlines()]
    assert rows[-1]["eval/left"] < 0.3 < rows[0]["eval/left"]
    assert main(["eval", run, "--json"]) == 0
    again = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert again["eval/left"] == rows[-1]["eval/left"], "what was saved says what was measured"
    output = tmp_path / "made.npz"
    assert main(["sample", run, "--samples", "30", "--output", str(output)]) == 0
    with np.load(output) as found:
        means = found["images"].reshape(2, 30, -1).mean((1, 2))
        assert found["prompts"].tolist() == PROMPTS
    assert abs(means[1] - means[0]) < 30, "what is asked for as class 1 is class 0"
    saved = read_diffusion(tmp_path / "run/model")
    assert saved.facts.one_step is not None
    with pytest.raises(SteelyardError, match="generates in one step"):
        ForgettingJob(diffusion=str(tmp_path / "run/model"), forget=(1,)).open()


@pytest.mark.parametrize("way", [SFD(batch=8), ESD(batch=8, rows=16, tuned="reader")])
def test_a_kill_and_a_resume_change_nothing(
    way: SFD | ESD, known: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = type(way).__name__.lower()
    settings: dict[str, Any] = {"diffusion": str(known / "model"), "forget": (1,), "way": way, "max_steps": 12}
    settings |= {"save_steps": 4, "eval_steps": 6, "threads": 1}
    whole = steelyard.train(recipe, report=False, output_dir=str(tmp_path / "whole"), **settings).run_dir
    cut = tmp_path / "cut"
    cut_short(monkeypatch, FittingWork, 7, recipe, output_dir=str(cut), **settings)
    steelyard.resume(cut, report=False)
    for file in ("metrics.jsonl", "eval.jsonl", "samples.jsonl", "model/diffusion.safetensors"):
        assert (cut / file).read_bytes() == (whole / file).read_bytes()


def test_the_audit_says_what_comes_back(known: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--words", "2", "--iterations", "2", "--visits", "4", "--attacks", "3", "--concept", "high"]
    files = ["--model", str(known / "model"), "--data", str(known / "images.npz")]
    output = tmp_path / "table.json"
    assert main(["audit", "unlearndiffatk", *files, *small, "--output", str(output), "--json"]) == 0
    rows = json.loads(output.read_text())["rows"]
    assert rows == json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]
    assert rows["searched words"]["attacks"] == 3
    assert rows["no attack"]["asr"] > 0.6, "this model has forgotten nothing"
