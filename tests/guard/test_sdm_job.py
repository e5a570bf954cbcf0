"""`steelyard train sdm` on one's own model and texts: the run, a kill and a resume, and texts like none before."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import steelyard
from interrupted import cut_short
from steelyard.core import SteelyardError
from steelyard.core.job import Job, MeasuresTexts
from steelyard.guard import SDM
from steelyard.guard.saved import read_guard
from steelyard.guard.sdm import SelectiveRuling
from steelyard.guard.sdm_job import Selecting
from steelyard.learner.fitting_work import FittingWork
from steelyard.training.run_directory import read_finished_run

FEW: dict[str, Any] = {"eval_steps": 4, "save_steps": 2, "report": False}
SMALL = SDM(level=0.8, splits=1, epochs=8, filters=8, learning_rate=1e-2)


@pytest.fixture
def settings(texts_file: Path, tiny_model_dir: Callable[[str], Path]) -> dict[str, Any]:
    return {"texts": str(texts_file), "model": str(tiny_model_dir("gpt2")), "head": SMALL}


def test_a_guard_that_says_where_it_can_be_relied_upon(settings: dict[str, Any], tmp_path: Path) -> None:
    result = steelyard.train("sdm", output_dir=str(tmp_path / "run"), **settings, **FEW)
    after = result.summary["after"]
    assert 0 <= after["eval/admitted"] <= 1
    job = read_finished_run(result.run_dir).job(base=False)
    assert isinstance(job, Job) and isinstance(job, MeasuresTexts)
    row, _ = job.open().evaluate()
    assert row == after, "what was saved says what was measured"
    guard = read_guard(result.run_dir / "model")
    ruling = guard(["3 a 5", "9 9 9 9 9 9 9 9 9 9"])
    assert isinstance(ruling, SelectiveRuling) and ruling.admitted_N is not None and len(ruling.admitted_N) == 2
    samples = [json.loads(line) for line in (result.run_dir / "samples.jsonl").read_text().splitlines()]
    assert all("harm" in row["completion"] for row in samples)


def test_a_kill_and_a_resume_change_nothing(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = settings | {"eval_steps": 4, "save_steps": 2}
    whole = steelyard.train("sdm", report=False, output_dir=str(tmp_path / "whole"), **own).run_dir
    cut = tmp_path / "cut"
    cut_short(monkeypatch, FittingWork, 5, "sdm", output_dir=str(cut), **own)
    steelyard.resume(cut, report=False)
    for file in ("metrics.jsonl", "eval.jsonl", "model/guard.safetensors"):
        assert (cut / file).read_bytes() == (whole / file).read_bytes()


def test_the_states_of_a_saved_guard_carry_it(settings: dict[str, Any], texts_file: Path, tmp_path: Path) -> None:
    bag = steelyard.train("bag-guard", texts=str(texts_file), output_dir=str(tmp_path / "bag"), steps=30, report=False)
    own = settings | {"model": str(bag.run_dir)}
    after = steelyard.train("sdm", output_dir=str(tmp_path / "run"), **own, **FEW).summary["after"]
    assert after["eval/right"] > 0.9
    assert Selecting(**own, max_steps=3).plan()["steps"]["steps"] == 3


def test_no_model_is_one_line(settings: dict[str, Any]) -> None:
    with pytest.raises(SteelyardError, match="--model: is missing"):
        Selecting(**settings | {"model": ""}).plan()
