"""`steelyard train harmaug` on one's own texts: what is generated and kept, a kill and a resume, what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import steelyard
from interrupted import cut_short
from steelyard.core import SteelyardError
from steelyard.core.job import Job
from steelyard.data import HarmAug
from steelyard.guard.distillation import Distillation
from steelyard.guard.saved import Source
from steelyard.guard.sparse_distil import SparseDistil
from steelyard.learner.fitting_work import FittingWork
from steelyard.training.augmented_job import GENERATED, Augmented, read_texts
from steelyard.training.run_directory import read_finished_run

FEW: dict[str, Any] = {"eval_steps": 50, "save_steps": 0, "report": False}
LEARNING = Distillation(hard=0.5, balanced=True, steps=60, batch=32)


@pytest.fixture
def texts_file(tmp_path: Path) -> Path:
    """120 texts of digits and letters; those with an "a" are harmful."""
    place = tmp_path / "t.jsonl"
    rows = [{"text": f"{i % 7} {'ab'[i % 2]} {i}", "label": 1 - i % 2} for i in range(120)]
    place.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return place


@pytest.fixture
def settings(texts_file: Path, tiny_model_dir: Callable[[str], Path], tmp_path: Path) -> dict[str, Any]:
    """Labelled texts, a teacher, and a random model that writes."""
    teacher = steelyard.train("bag-guard", texts=str(texts_file), output_dir=str(tmp_path / "t"), steps=60, **FEW)
    return {
        "texts": str(texts_file),
        "teacher": str(teacher.run_dir),
        "generator": str(tiny_model_dir("gpt2")),
        "builder": HarmAug(request="{examples}", example=" {text}", prefix="a", samples=2, examples=1, chat=False),
        "student": SparseDistil(width=8, learning=LEARNING),
        "max_completion_length": 6,
    }


def test_what_is_generated_is_learned_from_and_kept(settings: dict[str, Any], tmp_path: Path) -> None:
    result = steelyard.train("harmaug", output_dir=str(tmp_path / "run"), **settings, **FEW)
    assert result.summary["after"]["eval/right"] > 0.9
    made = read_texts(result.run_dir / "model" / GENERATED)
    known = {json.loads(line)["text"] for line in Path(settings["texts"]).read_text().splitlines()}
    assert len(made) == len(set(made)) > 0
    assert not known & {*made}
    facts = json.loads((result.run_dir / "data.json").read_text())
    assert len(made) in facts.values() or len(made) in facts.get("data", {}).values()
    assert Source(str(result.run_dir)).load("--guard")(["1 a 1"]).harm_N > 0.5
    job = read_finished_run(result.run_dir).job(base=False)
    assert isinstance(job, Job)
    assert job.open().evaluate()[0]["eval/right"] == result.summary["after"]["eval/right"]


def test_a_kill_and_a_resume_generate_nothing_again(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = settings | {"max_steps": 15, "eval_steps": 5, "save_steps": 5}
    whole = steelyard.train("harmaug", report=False, output_dir=str(tmp_path / "whole"), **own).run_dir
    cut = tmp_path / "cut"
    cut_short(monkeypatch, FittingWork, 8, "harmaug", output_dir=str(cut), **own)
    monkeypatch.setattr(Augmented, "further", None)
    steelyard.resume(cut, report=False)
    for file in ("metrics.jsonl", "eval.jsonl", "model/guard.safetensors", f"model/{GENERATED}"):
        assert (cut / file).read_bytes() == (whole / file).read_bytes()


def test_the_plan_generates_nothing(settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Augmented, "further", None)
    plan = Augmented(**settings).plan()
    assert plan["generator"] == {"model": settings["generator"]}
    assert plan["data"]["texts asked for, at most"] > 0
    assert Augmented(**settings | {"generator": "somebody/model"}).plan()["generator"]["fetches"] == "somebody/model"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"generator": ""}, "--generator: is missing"),
        ({"teacher": ""}, "--teacher: is missing"),
        ({"learn_from": "labels"}, "--learn-from: is labels"),
    ],
)
def test_what_cannot_be_taught_is_refused(change: dict[str, Any], what: str, settings: dict[str, Any]) -> None:
    for begin in (Augmented.plan, Augmented.open):
        with pytest.raises(SteelyardError) as caught:
            begin(Augmented(**settings | change))
        assert what in str(caught.value)
