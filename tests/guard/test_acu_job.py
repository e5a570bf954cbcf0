"""`steelyard train acu`: learns and forgets one's own texts exactly, now or later; refuses what it never learned."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import steelyard
from interrupted import cut_short
from steelyard.core import SteelyardError
from steelyard.core.job import Job, MeasuresTexts
from steelyard.guard.acu_job import HELD_OUT, Analysis, AnalyticWork, analytic, head_of
from steelyard.guard.harmless import Harmless
from steelyard.training.run_directory import read_finished_run

QUIET: dict[str, Any] = {"report": False}
SMALL: dict[str, Any] = {"batch": 30, "request": 5}


@pytest.fixture
def settings(texts_file: Path, tiny_model_dir: Callable[[str], Path]) -> dict[str, Any]:
    return {"texts": str(texts_file), "model": str(tiny_model_dir("gpt2")), **SMALL}


@pytest.fixture
def gone(texts_file: Path, tmp_path: Path) -> str:
    """Every fourth row of the texts."""
    place = tmp_path / "gone.jsonl"
    place.write_text("\n".join(texts_file.read_text().splitlines()[::4]))
    return str(place)


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_what_is_forgotten_was_never_learned(
    family: str, settings: dict[str, Any], gone: str, tiny_model_dir: Callable[[str], Path], tmp_path: Path
) -> None:
    own = settings | {"model": str(tiny_model_dir(family))}
    result = steelyard.train("acu", output_dir=str(tmp_path / "run"), forget=gone, **own, **QUIET)
    after = result.summary["after"]
    assert after["eval/apart"] < 1e-8
    facts = json.loads((result.run_dir / "data.json").read_text())
    assert facts["forgotten"] + facts["notes"][HELD_OUT] == 30
    assert after["eval/learned"] == facts["texts"] - facts["forgotten"]
    assert after["eval/right"] > 0.8
    job = read_finished_run(result.run_dir).job(base=False)
    assert isinstance(job, Job) and isinstance(job, MeasuresTexts)
    row, _ = job.open().evaluate()
    assert row["eval/f1"] == after["eval/f1"], "what was saved says what was measured"
    other, _ = job.measured_on(own["texts"]).open().evaluate()
    assert other["eval/texts"] == 120
    assert len(Harmless(str(result.run_dir))._guard(["3 a 5"]).harm_N) == 1


def test_a_request_may_come_later(settings: dict[str, Any], gone: str, tmp_path: Path) -> None:
    at_once = steelyard.train("acu", output_dir=str(tmp_path / "once"), forget=gone, **settings, **QUIET).run_dir
    whole = steelyard.train("acu", output_dir=str(tmp_path / "whole"), **settings, **QUIET).run_dir
    later = steelyard.train(
        "acu",
        output_dir=str(tmp_path / "later"),
        start=str(whole),
        forget=gone,
        texts=settings["texts"],
        **QUIET,
        **SMALL,
    ).run_dir
    one, other = (head_of(analytic(str(run))) for run in (at_once, later))
    assert (one.weight_FC - other.weight_FC).abs().max() < 1e-9
    assert one.learned == other.learned
    with pytest.raises(SteelyardError, match="was not learned"):
        Analysis(texts=settings["texts"], start=str(later), forget=gone).open()


def test_a_guards_states_can_carry_it(settings: dict[str, Any], texts_file: Path, tmp_path: Path) -> None:
    bag = steelyard.train("bag-guard", texts=str(texts_file), output_dir=str(tmp_path / "bag"), steps=30, report=False)
    own = settings | {"model": str(bag.run_dir)}
    result = steelyard.train("acu", output_dir=str(tmp_path / "run"), **own, **QUIET)
    assert result.summary["after"]["eval/right"] > 0.9
    assert Analysis(**own).plan()["steps"]["steps"] > 2


def test_a_kill_and_a_resume_change_nothing(
    settings: dict[str, Any], gone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = settings | {"forget": gone, "eval_steps": 2, "save_steps": 2}
    whole = steelyard.train("acu", output_dir=str(tmp_path / "whole"), **own, **QUIET).run_dir
    cut = tmp_path / "cut"
    cut_short(
        monkeypatch, AnalyticWork, 5, "acu", output_dir=str(cut), **{k: v for k, v in own.items() if k != "report"}
    )
    steelyard.resume(cut, report=False)
    for file in ("metrics.jsonl", "eval.jsonl", "model/guard.safetensors"):
        assert (cut / file).read_bytes() == (whole / file).read_bytes()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"model": ""}, "--model: is missing"),
        ({"start": "nowhere"}, "--forget: is missing"),
        ({"start": "nowhere", "forget": "gone.jsonl"}, "nowhere: there is no guard"),
    ],
)
def test_wrong_settings_are_one_line(settings: dict[str, Any], change: dict[str, str], told: str) -> None:
    with pytest.raises(SteelyardError, match=told):
        Analysis(**settings | change).open()


def test_a_row_with_another_label_was_not_learned(settings: dict[str, Any], texts_file: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in texts_file.read_text().splitlines()]
    other = {"harmful": "harmless", "harmless": "harmful"}
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text("\n".join(json.dumps({**row, "label": other[row["label"]]}) for row in rows[:9]))
    with pytest.raises(SteelyardError, match="with this label was not learned"):
        Analysis(**settings, forget=str(wrong)).plan()
