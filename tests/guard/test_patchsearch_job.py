"""Finding poisoned images as a job: what a run writes, a resume, what is measured again, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import steelyard
from interrupted import cut_short
from steelyard.core import SteelyardError
from steelyard.core.job import Job, Work
from steelyard.guard import PatchSearch
from steelyard.guard.patchsearch_job import Searching, TowerTraining
from steelyard.guard.poison_classifier import PoisonClassifier
from steelyard.learner.fitting_work import FittingWork
from steelyard.training.run_directory import read_finished_run

SMALL = PatchSearch(clusters=4, test_images=12, top=8, classifier=PoisonClassifier(models=1, iterations=10))
QUIET: dict[str, Any] = {"report": False, "threads": 1, "finds": SMALL, "towers": TowerTraining(steps=12, batch=8)}


def test_settings_are_a_job_and_what_they_open_is_work(images: str) -> None:
    job = Searching(finds=SMALL, towers=TowerTraining(steps=12), images=images)
    assert isinstance(job, Job)
    work = job.open()
    assert isinstance(work, Work)
    assert work.num_steps == 12 == job.plan()["steps"]["steps"]
    assert job.plan()["search"] == {"pixels along a patch": 2, "clusters": 4}
    assert work.facts == {"images": 40, "captions": 20, "notes": {}}
    row, shown = work.evaluate()
    assert row.keys() == {"eval/recall"} and shown == [], "nothing is searched before the towers have learned"


def test_a_run_writes_what_is_left_and_why(images: str, tmp_path: Path) -> None:
    run = steelyard.train("patchsearch", output_dir=str(tmp_path / "run"), images=images, **QUIET).run_dir
    table = [json.loads(line) for line in (run / "model/suspects.jsonl").read_text(encoding="utf-8").splitlines()]
    assert sorted(row["index"] for row in table) == [*range(40)]
    assert [row["score"] for row in table] == sorted((row["score"] for row in table), reverse=True)
    assert all(row["flagged"] == (row["probability"] >= 0.5) for row in table if row["probability"] != 0.5)
    kept = sorted(row["index"] for row in table if not row["flagged"])
    with np.load(images) as before, np.load(run / "model/kept.npz") as after:
        assert after["images"].dtype == np.uint8
        for name in ("images", "captions", "labels"):
            assert (after[name] == before[name][kept]).all(), name
    with np.load(run / "model/patches.npz") as patches:
        assert patches["images"].shape == (8, 2, 2, 3)
        assert patches["captions"].tolist() == [row["caption"] for row in table[:8]]
    job = read_finished_run(run).job(base=False)
    assert job is not None
    row, shown = job.open().evaluate()
    last = json.loads((run / "eval.jsonl").read_text().splitlines()[-1])
    assert {**row, "step": 12} == last, "what was saved says what was measured"
    assert row["eval/flagged"] == (40 - len(kept)) / 40
    assert row["eval/tried"] == sum(row["tried"] for row in table)
    assert shown[0]["prompt"] == table[0]["caption"]


def test_a_kill_and_a_resume_change_nothing(images: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = {**QUIET, "images": images, "save_steps": 3, "eval_steps": 6}
    whole = steelyard.train("patchsearch", output_dir=str(tmp_path / "whole"), **own).run_dir
    cut = tmp_path / "cut"
    del own["report"]
    cut_short(monkeypatch, FittingWork, 8, "patchsearch", output_dir=str(cut), **own)
    steelyard.resume(cut, report=False)
    for file in ("metrics.jsonl", "eval.jsonl", "model/towers.safetensors", "model/suspects.jsonl"):
        assert (cut / file).read_bytes() == (whole / file).read_bytes()


def test_strange_images_are_refused_before_the_run(images: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "b.npz", images=np.zeros((15, 8, 8, 3)), captions=np.load(images)["captions"][:15])
    np.savez(tmp_path / "c.npz", images=np.zeros((40, 8, 8, 3)), captions=np.array(["red bar"] * 40))
    np.savez(tmp_path / "d.npz", images=np.zeros((40, 8, 8, 3)))
    cases: list[tuple[dict[str, Any], str]] = [
        ({}, "--images: is missing"),
        ({"images": str(tmp_path / "b.npz")}, "has 15 images; give 16 or more, or lower --top"),
        ({"images": str(tmp_path / "c.npz")}, "there are 1 different captions"),
        ({"images": str(tmp_path / "d.npz")}, "it holds no array 'captions'"),
        ({"images": images, "fitted": str(tmp_path)}, "no towers can be read"),
    ]
    for settings, said in cases:
        job = Searching(finds=SMALL, **settings)
        with pytest.raises(SteelyardError, match=said):
            job.open()
        if "fitted" not in settings:
            with pytest.raises(SteelyardError, match=said):
                job.plan()
