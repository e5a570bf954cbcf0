"""Training a GAN and unlearning in it as jobs: run directories, a resume, what is drawn and marked."""

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
from steelyard.diffusion import AdaptUnlearn
from steelyard.diffusion.gan import GanSettings
from steelyard.diffusion.gan_job import AdaptUnlearnJob, GanJob
from steelyard.diffusion.saved_gan import read_gan
from steelyard.learner.fitting_work import FittingWork

SMALL = GanSettings(width=32, latent=4, train_steps=300, batch=32)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a GAN on images that are dark or light, alike."""
    here = tmp_path_factory.mktemp("gan")
    images = (np.arange(200) % 2)[:, None] * 100.0 + np.random.default_rng(0).normal(size=(200, 4))
    np.savez(here / "images.npz", images=images.reshape(-1, 2, 2))
    settings: dict[str, Any] = {"images": str(here / "images.npz"), "settings": SMALL, "threads": 1}
    steelyard.train("gan", report=False, output_dir=str(here / "run"), **settings)
    return here


def test_settings_are_jobs_and_what_they_open_is_work(trained: Path) -> None:
    job = GanJob(images=str(trained / "images.npz"), settings=SMALL)
    assert isinstance(job, Job) and isinstance(job, Draws) and isinstance(job.open(), Work)
    assert job.plan()["steps"] == {"steps": 300}
    assert isinstance(AdaptUnlearnJob(), Job) and isinstance(AdaptUnlearnJob(), Draws)


def test_it_comes_nearer_to_the_images(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [json.loads(line)["eval/frechet"] for line in (trained / "run/eval.jsonl").read_text().splitlines()]
    assert rows[-1] < rows[0]
    assert main(["eval", str(trained / "run"), "--json"]) == 0
    again = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert again["eval/frechet"] == rows[-1], "what was saved says what was measured"


def test_images_that_are_marked_are_unlearned(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = tmp_path / "made.npz"
    assert main(["sample", str(trained / "run"), "--samples", "200", "--output", str(made)]) == 0
    with np.load(made) as found:
        assert found["labels"].tolist() == [0] * 200
        light = found["images"].reshape(200, 4).mean(1) > 50
        np.savez(tmp_path / "marked.npz", images=found["images"], labels=light.astype(np.int64))
    assert 20 < light.sum() < 180
    way = AdaptUnlearn(GanSettings(learning_rate=1e-3, batch=32), adapted=1, adapt_steps=20, unlearn_steps=12)
    settings: dict[str, Any] = {"gan": str(trained / "run/model"), "images": str(tmp_path / "marked.npz")}
    settings |= {"unlearning": way, "save_steps": 4, "eval_steps": 6, "threads": 1}
    whole = steelyard.train("adapt-unlearn", report=False, output_dir=str(tmp_path / "whole"), **settings).run_dir
    cut = tmp_path / "cut"
    cut_short(monkeypatch, FittingWork, 7, "adapt-unlearn", output_dir=str(cut), **settings)
    steelyard.resume(cut, report=False)
    for file in ("metrics.jsonl", "eval.jsonl", "samples.jsonl", "model/gan.safetensors"):
        assert (cut / file).read_bytes() == (whole / file).read_bytes()
    rows = [json.loads(line) for line in (whole / "eval.jsonl").read_text().splitlines()]
    assert 0.0 <= rows[-1]["eval/undesired"] <= 1.0
    assert main(["sample", str(whole), "--samples", "2"]) == 0
    capsys.readouterr()
    for more, said in ((["--output", str(made)], "is there already"), (["--output", "x.png"], "--output: is x.png")):
        assert main(["sample", str(whole), *more]) == 2
        assert said in capsys.readouterr().err


def test_a_damaged_gan_is_refused(trained: Path, tmp_path: Path) -> None:
    GanJob(images=str(trained / "images.npz"), settings=SMALL).open().save_model(tmp_path / "model")
    read_gan(tmp_path / "model")
    (tmp_path / "model" / "gan.safetensors").write_bytes(b"")
    with pytest.raises(SteelyardError, match="no GAN can be read"):
        read_gan(tmp_path / "model")
