"""`steelyard train weak-to-strong` on one's own model and texts: the run, a kill and a resume, the ceiling, the gap."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import steelyard
from interrupted import cut_short
from steelyard.cli import main
from steelyard.core import SteelyardError
from steelyard.core.job import Job
from steelyard.guard.base import Ruling
from steelyard.guard.labelled import Labelled
from steelyard.guard.student import Yardstick
from steelyard.guard.weak_job import Teaching
from steelyard.learner.fitting_work import FittingWork
from steelyard.recipes import find
from steelyard.training.run_directory import read_finished_run

FEW: dict[str, Any] = {"eval_steps": 20, "save_steps": 10, "report": False}
KEEN = {"batch": 8, "learning_rate": 0.02}


@pytest.fixture(scope="module")
def weak(texts_file: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The run of a bag-of-words guard."""
    run = tmp_path_factory.mktemp("weak") / "run"
    return str(steelyard.train("bag-guard", texts=str(texts_file), output_dir=str(run), steps=30, **FEW).run_dir)


@pytest.fixture
def settings(weak: str, texts_file: Path, tiny_model_dir: Callable[[str], Path]) -> dict[str, Any]:
    return {"texts": str(texts_file), "weak": weak, "model": str(tiny_model_dir("gpt2"))}


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_a_language_model_learns_and_is_a_guard_then(
    family: str, settings: dict[str, Any], tiny_model_dir: Callable[[str], Path], tmp_path: Path
) -> None:
    own = settings | {"model": str(tiny_model_dir(family))}
    method = Teaching().learning
    result = steelyard.train(
        "weak-to-strong", output_dir=str(tmp_path / "run"), max_steps=40,
        learning=type(method)(**KEEN), **own, **FEW,
    )  # fmt: skip
    after = result.summary["after"]
    assert after["eval/right_weak"] == 1.0
    assert after["eval/right"] > 0.8
    job = read_finished_run(result.run_dir).job(base=False)
    assert isinstance(job, Job)
    row, _ = job.open().evaluate()
    assert row == after, "what was saved says what was measured"
    again = steelyard.train(
        "weak-to-strong", output_dir=str(tmp_path / "next"), max_steps=1, **own | {"weak": str(result.run_dir)}, **FEW
    )
    assert again.summary["after"]["eval/right_weak"] == after["eval/right"], "a student teaches another"


def test_a_kill_and_a_resume_change_nothing(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = settings | {"max_steps": 15, "eval_steps": 5, "save_steps": 5}
    whole = steelyard.train("weak-to-strong", report=False, output_dir=str(tmp_path / "whole"), **own).run_dir
    cut = tmp_path / "cut"
    cut_short(monkeypatch, FittingWork, 8, "weak-to-strong", output_dir=str(cut), **own)
    steelyard.resume(cut, report=False)
    for file in ("metrics.jsonl", "eval.jsonl", "model/model.safetensors"):
        assert (cut / file).read_bytes() == (whole / file).read_bytes()


def test_the_files_labels_make_a_ceiling(settings: dict[str, Any], tmp_path: Path) -> None:
    truth = {key: value for key, value in settings.items() if key != "weak"} | {"learn_from": "labels"}
    method = type(Teaching().learning)(confidence=0.0, **KEEN)
    top = steelyard.train(
        "weak-to-strong", output_dir=str(tmp_path / "top"), max_steps=40, learning=method, **truth, **FEW
    )
    assert "eval/right_weak" not in top.summary["after"]
    own = settings | {"ceiling": str(top.run_dir)}
    row = steelyard.train("weak-to-strong", output_dir=str(tmp_path / "run"), max_steps=1, **own, **FEW).summary[
        "after"
    ]
    assert row["eval/right_ceiling"] == top.summary["after"]["eval/right"]


def test_the_gap_is_measured_by_hand() -> None:
    texts = Labelled(["w", "x", "y", "z"], torch.tensor([True, True, False, False]))

    def says(*harm: float) -> Callable[[list[str]], Ruling]:
        return lambda texts: Ruling(torch.tensor(harm).float(), torch.zeros(4, 1))

    yardstick = Yardstick.of(texts, says(1, 0, 1, 0), says(1, 1, 0, 0))  # pyright: ignore[reportArgumentType]
    row, _ = yardstick.measure(says(1, 1, 1, 0))  # pyright: ignore[reportArgumentType]
    assert (row["eval/right_weak"], row["eval/right"], row["eval/right_ceiling"]) == (0.5, 0.75, 1.0)
    assert row["eval/gap_recovered"] == 0.5
    row, _ = Yardstick.of(texts, None, None).measure(says(1, 1, 1, 0))  # pyright: ignore[reportArgumentType]
    assert "eval/gap_recovered" not in row


def test_texts_without_labels_are_taught_too(settings: dict[str, Any], texts_file: Path, tmp_path: Path) -> None:
    more = tmp_path / "more.jsonl"
    known = json.loads(texts_file.read_text().splitlines()[0])["text"]
    more.write_text("".join(json.dumps({"text": text}) + "\n" for text in ("9 a 1", "9 b 1", "9 a 1", known)))
    job = Teaching(**settings, unlabelled=str(more))
    assert job.open().facts["unlabelled"] == job.plan()["data"]["unlabelled"] == 2


def test_the_plan_names_everybody(settings: dict[str, Any]) -> None:
    plan = Teaching(**settings, max_steps=7).plan()
    assert plan["student"] == {"model": settings["model"]}
    assert plan["weak"]["model"] == settings["weak"]
    assert plan["steps"] == {"steps": 7}
    assert isinstance(find("weak-to-strong"), Job)
    assert Teaching(**settings | {"model": "somebody/model"}).plan()["student"]["fetches"] == "somebody/model"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"weak": ""}, "--weak: is missing"),
        ({"model": ""}, "--model: is missing; name the student"),
        ({"learn_from": "labels", "unlabelled": "more.jsonl"}, "--unlabelled: have no labels to learn from"),
    ],
)
def test_what_cannot_be_taught_is_refused(change: dict[str, Any], what: str, settings: dict[str, Any]) -> None:
    for begin in (Teaching.plan, Teaching.open):
        with pytest.raises(SteelyardError, match=what):
            begin(Teaching(**settings | change))


def test_the_command_line(settings: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [word for name, value in settings.items() for word in (f"--{name}", value)]
    line = ["train", "weak-to-strong", *words, "--confidence", "0.75", "--positives", "half", "--batch", "4"]
    assert main([*line, "--max-steps", "1", "--output-dir", str(tmp_path / "run"), "--json"]) == 0
    assert main(["eval", str(tmp_path / "run"), "--texts", settings["texts"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["eval/texts"] == 120
