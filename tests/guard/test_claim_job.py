"""`steelyard train rate-ft` on one's own model and claims: the run, a resume, and the detector as a reward."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import steelyard
from interrupted import cut_short
from steelyard.check.scoring import episode_of
from steelyard.cli import main
from steelyard.core import Prompt, SteelyardError
from steelyard.core.job import Job, Work
from steelyard.guard import ClaimGuard, RateFT
from steelyard.guard.claim_job import ClaimTuning
from steelyard.guard.saved import read_guard
from steelyard.learner.given_data import GivenData
from steelyard.recipes import find
from steelyard.reward import reward_function
from steelyard.training.run_directory import read_finished_run

ASKS = RateFT(claim_template="{prompt}#", question_template="{prompt}=", factual="c", hallucinated="d", between=" ")
FEW: dict[str, Any] = {"eval_steps": 150, "save_steps": 0, "report": False}


@pytest.fixture(scope="module")
def claims(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 claims of digits and letters; those with a "b" are not true, and one in three has no question."""
    rows = []
    for i in range(200):
        word = "b" if i % 4 == 0 else "a"
        row = {"text": f"{i % 7} {word} {i}", "label": "hallucinated" if word == "b" else "true", "rationale": word}
        rows.append(row | ({"question": f"{i % 7} {i}", "answer": "a"} if i % 3 else {}))
    path = tmp_path_factory.mktemp("claims") / "claims.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def settings(claims: Path, tiny_model_dir: Callable[[str], Path]) -> dict[str, Any]:
    return {"texts": str(claims), "model": str(tiny_model_dir("llama")), "learning": ASKS, "learning_rate": 1e-2}


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_model_learns_and_is_a_guard_then(
    family: str, settings: dict[str, Any], tiny_model_dir: Callable[[str], Path], tmp_path: Path
) -> None:
    own = settings | {"model": str(tiny_model_dir(family)), "output_dir": str(tmp_path / "run"), "max_steps": 150}
    result = steelyard.train("rate-ft", **own, **FEW)
    after = result.summary["after"]
    assert after["eval/auroc"] > 0.9
    assert after["eval/balanced"] > 0.8
    assert result.summary["before"]["eval/auroc_logp"] == after["eval/auroc_logp"], "of the model before it was tuned"
    job = read_finished_run(result.run_dir).job(base=False)
    assert isinstance(job, Job)
    row, _ = job.open().evaluate()
    assert row == {name: pytest.approx(after[name], abs=1e-6) for name in row}, "what was saved says what was measured"
    guard = read_guard(result.run_dir / "model")
    assert isinstance(guard, ClaimGuard)
    said = [episode_of(Prompt("p", "q"), text) for text in ("3 a 9", "3 b 9")]
    true, false = (score.value or 0.0 for score in reward_function(f"guard:{result.run_dir}")(said))
    assert true > 0.5 > false


def test_a_kill_and_a_resume_change_nothing(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = settings | {"max_steps": 12, "eval_steps": 4, "save_steps": 4}
    whole = steelyard.train("rate-ft", report=False, output_dir=str(tmp_path / "whole"), **own).run_dir
    cut = tmp_path / "cut"
    cut_short(monkeypatch, GivenData, 6, "rate-ft", output_dir=str(cut), **own)
    steelyard.resume(cut, report=False)
    for file in ("metrics.jsonl", "eval.jsonl", "model/model.safetensors", "model/guard.json"):
        assert (cut / file).read_bytes() == (whole / file).read_bytes()


def test_the_plan_counts_lessons(settings: dict[str, Any]) -> None:
    job = ClaimTuning(**settings, max_steps=7)
    plan = job.plan()
    data = plan["data"]
    assert data["train"] < data["lessons"] < 2 * data["train"], "one in three claims has no question"
    assert plan["steps"] == {"steps": 7}
    work = job.open()
    assert isinstance(work, Work)
    assert work.facts == data
    plain = ClaimTuning(**settings | {"learning": replace(ASKS, questions=False)}).plan()["data"]
    assert plain["lessons"] == plain["train"] == data["train"]
    assert isinstance(find("rate-ft"), Job)
    assert ClaimTuning(**settings | {"model": "somebody/model"}).plan()["model"]["fetches"] == "somebody/model"


def test_a_lesson_that_does_not_fit_is_left_out_and_counted(settings: dict[str, Any], tmp_path: Path) -> None:
    rows = [json.loads(line) for line in Path(settings["texts"]).read_text().splitlines()]
    for row in rows[::8]:
        row["rationale"] = "a" * 80
    path = tmp_path / "long.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    facts = ClaimTuning(**settings | {"texts": str(path)}).open().facts
    left = facts["notes"]["lessons left out because they do not fit the model's context"]
    assert left > 0
    whole = ClaimTuning(**settings).open().facts
    assert facts["lessons"] == whole["lessons"] - left


def test_the_command_line(settings: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = [
        "train",
        "rate-ft",
        "--model",
        settings["model"],
        "--texts",
        settings["texts"],
        "--claim-template",
        "{prompt}#",
    ]
    line += ["--question-template", "{prompt}=", "--factual", "c", "--hallucinated", "d", "--no-rationales"]
    assert main([*line, "--max-steps", "1", "--output-dir", str(tmp_path / "run"), "--json"]) == 0
    assert main(["eval", str(tmp_path / "run"), "--texts", settings["texts"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["eval/texts"] == 200
    assert main(["eval", str(tmp_path / "run"), "--base", "--texts", settings["texts"]]) == 2
    assert "--texts: is for a detector that was tuned; leave out --base" in capsys.readouterr().err
    one = tmp_path / "one.jsonl"
    one.write_text(json.dumps({"text": "1 a", "label": "true"}))
    assert main(["eval", str(tmp_path / "run"), "--texts", str(one)]) == 2
    assert "of 1 claims to measure by, 0 are hallucinated; give claims of both kinds" in capsys.readouterr().err


@pytest.mark.parametrize(("change", "said"), [
    ({"model": ""}, "--model: is missing"),
    ({"texts": ""}, "--texts: is missing"),
    ({"learning": RateFT(factual="c", hallucinated="cd")}, "rate-ft.factual: 'c' and 'cd' do not begin with tokens"),
])  # fmt: skip
def test_what_cannot_be_tuned_is_refused(change: dict[str, Any], said: str, settings: dict[str, Any]) -> None:
    for begin in (ClaimTuning.plan, ClaimTuning.open):
        with pytest.raises(SteelyardError, match=said):
            begin(ClaimTuning(**settings | change))
