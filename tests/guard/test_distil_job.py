"""`steelyard train sparse-distil` on one's own texts: the run, a kill and a resume, a model as student, its uses."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import steelyard
from interrupted import cut_short
from steelyard.cli import main
from steelyard.core import Episode, Prompt, SteelyardError
from steelyard.core.job import Job
from steelyard.guard.base import Ruling
from steelyard.guard.distil_job import Distilling, Yardstick, texts_per_s
from steelyard.guard.distillation import Distillation
from steelyard.guard.labelled import Labelled
from steelyard.guard.ngrams import NgramGuard
from steelyard.guard.saved import FACTS, Source, read_guard
from steelyard.guard.sparse_distil import SparseDistil
from steelyard.learner.fitting_work import FittingWork
from steelyard.reward import reward_function
from steelyard.training.run_directory import read_finished_run

FEW: dict[str, Any] = {"eval_steps": 50, "save_steps": 0, "report": False}
STUDENT = SparseDistil(width=8, learning=Distillation(steps=60, batch=32))


@pytest.fixture(scope="module")
def settings(texts_file: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A teacher that was fitted on the texts, and further texts."""
    here = tmp_path_factory.mktemp("distil")
    teacher = steelyard.train("bag-guard", texts=str(texts_file), output_dir=str(here / "run"), steps=60, **FEW).run_dir
    further = here / "more.jsonl"
    further.write_text("".join(json.dumps({"text": f"{i} {'ab'[i % 2]} 9"}) + "\n" for i in range(60)))
    return {"texts": str(texts_file), "teacher": str(teacher), "unlabelled": str(further), "student": STUDENT}


@pytest.fixture(scope="module")
def run(settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("run") / "fast"
    return steelyard.train("sparse-distil", output_dir=str(place), **settings, **FEW).run_dir


def test_a_student_learns_and_is_a_guard_then(run: Path) -> None:
    after = json.loads((run / "result.json").read_text())["after"]
    assert after["eval/right_teacher"] == 1.0
    assert after["eval/right"] > 0.9
    assert after["eval/kept"] == after["eval/right"]
    assert not any("per_s" in name for name in after), "records repeat bit for bit"
    guard = Source(str(run)).load("--guard")
    assert isinstance(guard, NgramGuard)
    assert guard(["1 a 1"]).harm_N > 0.5 > guard(["1 b 1"]).harm_N


def test_it_is_a_reward_and_a_constraint(run: Path) -> None:
    reward = reward_function(f"guard:{run}")
    said = [Episode.written(Prompt("x", "x"), text, "stop") for text in ("1 b 1", "1 a 1")]
    good, bad = (score.value for score in reward(said))
    assert good is not None
    assert bad is not None
    assert good > 0.5 > bad


def test_eval_says_how_fast_both_are(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", str(run), "--json"]) == 0
    row = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert row["eval/faster"] == pytest.approx(row["eval/texts_per_s"] / row["eval/texts_per_s_teacher"])
    job = read_finished_run(run).job(base=False)
    assert isinstance(job, Job)


def test_a_kill_and_a_resume_change_nothing(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = settings | {"max_steps": 15, "eval_steps": 5, "save_steps": 5}
    whole = steelyard.train("sparse-distil", report=False, output_dir=str(tmp_path / "whole"), **own).run_dir
    cut = tmp_path / "cut"
    cut_short(monkeypatch, FittingWork, 8, "sparse-distil", output_dir=str(cut), **own)
    steelyard.resume(cut, report=False)
    for file in ("metrics.jsonl", "eval.jsonl", "model/guard.safetensors"):
        assert (cut / file).read_bytes() == (whole / file).read_bytes()


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_a_model_of_ones_own_learns_instead(
    family: str, settings: dict[str, Any], tiny_model_dir: Callable[[str], Path], tmp_path: Path
) -> None:
    own = settings | {"model": str(tiny_model_dir(family)), "learning_rate": 0.02}
    result = steelyard.train("sparse-distil", output_dir=str(tmp_path / "run"), **own, **FEW)
    assert result.summary["after"]["eval/right"] > 0.8
    job = read_finished_run(result.run_dir).job(base=False)
    assert isinstance(job, Job)
    row, _ = job.open().evaluate()
    assert row["eval/right"] == result.summary["after"]["eval/right"], "what was saved says what was measured"


def test_labels_alone_need_no_teacher(settings: dict[str, Any], tmp_path: Path) -> None:
    own = {"texts": settings["texts"], "student": STUDENT, "learn_from": "labels"}
    after = steelyard.train("sparse-distil", output_dir=str(tmp_path / "run"), **own, **FEW).summary["after"]
    assert after["eval/right"] > 0.9
    assert "eval/kept" not in after


def test_the_plan_says_who_learns_what(settings: dict[str, Any]) -> None:
    plan = Distilling(**settings, max_steps=7).plan()
    assert plan["data"]["unlabelled"] == 59, "one has a label"
    assert plan["teacher"]["model"] == settings["teacher"]
    assert plan["steps"] == {"steps": 7}
    assert Distilling(**settings | {"model": "somebody/model"}).plan()["student"]["fetches"] == "somebody/model"


def test_the_yardstick_by_hand() -> None:
    texts = Labelled(["w", "x", "y", "z"], torch.tensor([True, True, False, False]))

    def says(*harm: float) -> Callable[[list[str]], Ruling]:
        return lambda texts: Ruling(torch.tensor(harm).float(), torch.zeros(4, 1))

    yardstick = Yardstick.of(texts, says(1, 1, 0, 0))  # pyright: ignore[reportArgumentType]
    row, _ = yardstick.measure(says(0.9, 0.2, 0.7, 0.1))  # pyright: ignore[reportArgumentType]
    assert (row["eval/right"], row["eval/right_teacher"], row["eval/kept"]) == (0.5, 1.0, 0.5)
    assert row["eval/auprc"] == pytest.approx((1 + 2 / 3) / 2)
    ticks = iter([0.0, 0.25, 0.75])
    pace = texts_per_s(says(1, 1, 0, 0), texts.texts, lambda: next(ticks))  # pyright: ignore[reportArgumentType]
    assert pace == pytest.approx(4 / 0.75)


def test_a_damaged_guard_is_refused(run: Path, tmp_path: Path) -> None:
    facts = json.loads((run / "model" / FACTS).read_text())
    (tmp_path / FACTS).write_text(json.dumps(facts | {"grams": facts["grams"][1:]}))
    (tmp_path / "guard.safetensors").write_bytes((run / "model" / "guard.safetensors").read_bytes())
    with pytest.raises(SteelyardError, match="no guard can be read"):
        read_guard(tmp_path)
