"""Protecting images as a job: its run, a resume, an earlier generator, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import steelyard
from interrupted import cut_short
from steelyard.core import SteelyardError
from steelyard.core.job import Job, Work
from steelyard.guard import T2UE
from steelyard.guard.t2ue_job import Protecting, Saved
from steelyard.learner.fitting_work import FittingWork
from steelyard.training.run_directory import read_finished_run

SMALL = T2UE(epsilon=0.1, width=4, steps=12, batch=8)
QUIET: dict[str, Any] = {"report": False, "threads": 1, "learns": SMALL}


def test_settings_are_a_job_and_what_they_open_is_work(images: str) -> None:
    job = Protecting(learns=SMALL, images=images, protect=images, held_out_share=0.3)
    assert isinstance(job, Job)
    work = job.open()
    assert isinstance(work, Work)
    assert work.num_steps == 12 == job.plan()["steps"]["steps"]
    assert work.facts["images"] + work.facts["held_out"] == work.facts["to protect"] == 40
    row, shown = work.evaluate()
    assert row.keys() == {"eval/recall", "eval/recall_plain", "eval/loss"}
    assert shown[0]["completion"].startswith("noise from -0.")


def test_what_is_protected_differs_by_at_most_epsilon_and_is_of_the_files_kind(images: str, tmp_path: Path) -> None:
    own: dict[str, Any] = {"images": images, "protect": images, "held_out_share": 0.3, **QUIET}
    run = steelyard.train("t2ue", output_dir=str(tmp_path / "run"), **own).run_dir
    with np.load(images) as before, np.load(run / "model/protected.npz") as after:
        assert after["images"].dtype == np.uint8
        apart = np.abs(after["images"].astype(int) - before["images"].astype(int))
        assert 0 < apart.max() <= 26, "0.1 of 255, rounded"
        assert after["captions"].tolist() == before["captions"].tolist()
        assert after["labels"].tolist() == before["labels"].tolist()
    job = read_finished_run(run).job(base=False)
    assert job is not None
    row, _ = job.open().evaluate()
    last = json.loads((run / "eval.jsonl").read_text().splitlines()[-1])
    assert {**row, "step": 12} == last, "what was saved says what was measured"


def test_a_generator_protects_more_later(images: str, tmp_path: Path) -> None:
    own: dict[str, Any] = {"held_out_share": 0.3, **QUIET}
    once = steelyard.train("t2ue", output_dir=str(tmp_path / "a"), images=images, protect=images, **own).run_dir
    later = steelyard.train("t2ue", output_dir=str(tmp_path / "b"), start=str(once), protect=images, **QUIET).run_dir
    weights, same = ((run / "model/t2ue.safetensors").read_bytes() for run in (once, later))
    assert weights == same
    first, second = (np.load(run / "model/protected.npz")["images"] for run in (once, later))
    assert (first == second).all()
    assert Saved.read(later / "model").facts.words == Saved.read(once / "model").facts.words


def test_a_kill_and_a_resume_change_nothing(images: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own: dict[str, Any] = {"images": images, "protect": images, "held_out_share": 0.3, "learns": SMALL, "threads": 1}
    own |= {"save_steps": 3, "eval_steps": 6}
    whole = steelyard.train("t2ue", report=False, output_dir=str(tmp_path / "whole"), **own).run_dir
    cut = tmp_path / "cut"
    cut_short(monkeypatch, FittingWork, 8, "t2ue", output_dir=str(cut), **own)
    steelyard.resume(cut, report=False)
    for file in ("metrics.jsonl", "eval.jsonl", "model/t2ue.safetensors"):
        assert (cut / file).read_bytes() == (whole / file).read_bytes()


def test_strange_images_are_refused_before_the_run(images: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "b.npz", images=np.zeros((2, 9, 9, 3)), captions=np.array(["red bar", "blue bar"]))
    np.savez(tmp_path / "c.npz", images=np.zeros((2, 8, 8, 3)), captions=np.array(["red bar", "cat"]))
    for settings, said in (
        ({"images": images, "protect": str(tmp_path / "b.npz")}, r"its images have the shape \(3, 9, 9\)"),
        ({"images": images, "protect": str(tmp_path / "c.npz")}, "no word of the caption 'cat' is known"),
        ({"images": images, "start": "nowhere", "protect": images}, "--images: is given, and nothing is learned"),
        ({"start": "nowhere"}, "--protect: is missing"),
        ({}, "--images: is missing"),
        ({"start": "nowhere", "protect": images}, "no generator of noise can be read"),
        ({"images": str(tmp_path / "b.npz"), "held_out_share": 0.01}, "different captions are learned from"),
    ):
        for begin in (Protecting(learns=SMALL, **settings).plan, Protecting(learns=SMALL, **settings).open):
            with pytest.raises(SteelyardError, match=said):
                begin()
