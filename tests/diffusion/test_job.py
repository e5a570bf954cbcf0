"""Training a diffusion model as a job: its run directory, a resume, what is drawn, and what is refused."""

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
from steelyard.diffusion import DDPM
from steelyard.diffusion.job import DiffusionJob
from steelyard.diffusion.saved import read_diffusion
from steelyard.learner.fitting_work import FittingWork
from steelyard.training.run_directory import read_finished_run

SMALL = DDPM(width=16, layers=1, train_steps=12, batch=8)


@pytest.fixture
def images(tmp_path: Path) -> str:
    """Two classes of 4 x 4 images: ink above, ink below."""
    draws = np.random.default_rng(0)
    label = np.arange(40) % 2
    ink = np.where((np.arange(16) // 8)[None] == label[:, None], 200, 20) + draws.integers(20, size=(40, 16))
    np.savez(tmp_path / "images.npz", images=ink.reshape(-1, 4, 4).astype(np.uint8), labels=label)
    return str(tmp_path / "images.npz")


def test_settings_are_a_job_and_what_they_open_is_work(images: str) -> None:
    job = DiffusionJob(trainer=SMALL, images=images)
    assert isinstance(job, Job) and isinstance(job, Draws)
    work = job.open()
    assert isinstance(work, Work)
    assert (work.steps, work.num_steps, work.facts["shape"], work.facts["classes"]) == (0, 12, "4 x 4", 2)
    assert job.plan()["steps"] == {"steps": 12}
    row, shown = work.evaluate()
    assert row["eval/loss"] == pytest.approx(1.0, abs=0.2), "an untrained network predicts no noise"
    assert row["eval/frechet"] > row["eval/frechet_train"]
    assert [sample["prompt"] for sample in shown] == ["class 0", "class 1"]


def test_a_kill_and_a_resume_change_nothing(images: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings: dict[str, Any] = {"images": images, "trainer": SMALL, "save_steps": 4, "eval_steps": 6, "threads": 1}
    whole = steelyard.train("ddpm", report=False, output_dir=str(tmp_path / "whole"), **settings).run_dir
    cut = tmp_path / "cut"
    cut_short(monkeypatch, FittingWork, 7, "ddpm", output_dir=str(cut), **settings)
    steelyard.resume(cut, report=False)
    for file in ("metrics.jsonl", "eval.jsonl", "samples.jsonl", "model/diffusion.safetensors"):
        assert (cut / file).read_bytes() == (whole / file).read_bytes()
    job = read_finished_run(whole).job(base=False)
    assert job is not None
    row, _ = job.open().evaluate()
    last = json.loads((whole / "eval.jsonl").read_text().splitlines()[-1])
    assert {**row, "step": 12} == last, "what was saved says what was measured"


def test_it_draws_images_of_the_files_scale(images: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(tmp_path / "run")
    trainer = DDPM(width=32, layers=1, train_steps=200, batch=32)
    steelyard.train("ddpm", report=False, output_dir=run, images=images, trainer=trainer)
    output = tmp_path / "more.npz"
    assert main(["sample", run, "--samples", "20", "--output", str(output), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])["samples"]
    assert [row["prompt"] for row in rows[:1] + rows[-1:]] == ["class 0", "class 1"]
    with np.load(output) as found:
        above, below = np.median(found["images"].reshape(2, 20, 2, 8), axis=(1, 3)).T
        assert found["labels"].tolist() == [0] * 20 + [1] * 20
    assert above[0] > 1.5 * below[0] and below[1] > 1.5 * above[1], "ink is where its class has it"
    for more, said in (
        (["--output", str(output)], "is there already"),
        (["--output", "more.png"], "--output: is more.png"),
        (["--prompt", "x"], "--prompt: is for a run whose model writes text"),
        (["--base"], "--base: is untrained"),
    ):
        assert main(["sample", run, *more]) == 2
        assert said in capsys.readouterr().err


def test_a_damaged_model_is_refused(images: str, tmp_path: Path) -> None:
    DiffusionJob(trainer=SMALL, images=images).open().save_model(tmp_path / "model")
    assert read_diffusion(tmp_path / "model").facts.shape == (4, 4)
    (tmp_path / "model" / "diffusion.safetensors").write_bytes(b"")
    with pytest.raises(SteelyardError, match="no diffusion model can be read"):
        read_diffusion(tmp_path / "model")


def test_a_model_of_other_images_is_not_measured_on_these(images: str, tmp_path: Path) -> None:
    DiffusionJob(trainer=SMALL, images=images).open().save_model(tmp_path / "model")
    np.save(tmp_path / "other.npy", np.eye(20))
    with pytest.raises(SteelyardError, match=r"have the shape \(20,\), and the model's \(4, 4\)"):
        DiffusionJob(trainer=SMALL, images=str(tmp_path / "other.npy")).trained(tmp_path / "model").open()
