"""`steelyard train kard` on one's own files: the run, a kill and a resume, what it wrote, rows and its plan."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import steelyard
from interrupted import cut_short
from policy.encoders import save_encoder
from steelyard.cli import main
from steelyard.core import SteelyardError
from steelyard.data import KARD
from steelyard.training.knowledge_job import RERANKER, KnowledgeTuning, KnowledgeWork
from steelyard.training.knowledge_rows import ReasonedFile, knowledge_of

FEW: dict[str, Any] = {"eval_steps": 50, "save_steps": 0, "report": False}
BESIDE = {"beside": "{prompt} {passage}=", "marker": " #"}


def lines(*rows: dict[str, Any]) -> str:
    return "\n".join(map(json.dumps, rows))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, tiny_model_dir: Callable[[str], Path]) -> dict[str, Any]:
    here = tmp_path_factory.mktemp("kard")
    rows = [{"prompt": f"{n} a", "rationale": f"b{n} {n % 7}", "answer": n % 7} for n in range(24)]
    (here / "q.jsonl").write_text(lines(*rows))
    (here / "k.jsonl").write_text(lines(*({"text": f"b{n} {n % 7}"} for n in range(24)), {"text": "b0 0"}))
    rule = KARD(**BESIDE, reranker_epochs=1, reranker_batch=4, lesson=4, votes=2)  # pyright: ignore[reportArgumentType]
    files = {"path": str(here / "q.jsonl"), "knowledge": str(here / "k.jsonl")}
    models = {"model": str(tiny_model_dir("llama")), "encoder": save_encoder(here / "encoder")}
    return {**files, **models, "kard": rule, "max_completion_length": 6, "batch_size": 4, "epochs": 1}


@pytest.fixture(scope="module")
def run(settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return steelyard.train("kard", output_dir=str(tmp_path_factory.mktemp("run") / "r"), **settings, **FEW).run_dir


def test_both_learn_and_what_was_saved_measures_the_same(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert any("reranker/loss" in row for row in rows)
    after = json.loads((run / "result.json").read_text())["after"]
    assert {"eval/accuracy", "eval/found", "eval/found_bm25", "eval/held_out_loss"} <= {*after}
    assert (run / "model" / RERANKER / "compressor.safetensors").is_file()
    assert main(["eval", str(run), "--json"]) == 0
    again = json.loads(capsys.readouterr().out.splitlines()[-1])
    for name in ("eval/accuracy", "eval/found", "eval/held_out_loss"):
        assert again[name] == pytest.approx(after[name])
    assert main(["sample", str(run), "--prompts", "1"]) == 0


def test_a_kill_and_a_resume_change_nothing(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own: dict[str, Any] = settings | {"eval_steps": 3, "save_steps": 2}
    whole = steelyard.train("kard", report=False, output_dir=str(tmp_path / "whole"), **own).run_dir
    cut = tmp_path / "cut"
    cut_short(monkeypatch, KnowledgeWork, 3, "kard", output_dir=str(cut), **own)
    steelyard.resume(cut, report=False)
    for file in ("metrics.jsonl", "eval.jsonl", "model/model.safetensors", f"model/{RERANKER}/model.safetensors"):
        assert (cut / file).read_bytes() == (whole / file).read_bytes()


def test_without_an_encoder_words_find_the_passage(settings: dict[str, Any]) -> None:
    job = replace(KnowledgeTuning(**settings), encoder="")
    work = job.open()
    assert work.reranker is None
    assert "reranker/loss" not in work.step()
    row, samples = work.evaluate()
    assert row["eval/found"] == row["eval/found_bm25"]
    assert {"prompt", "completion", "vote", "answer"} == {*samples[0]}
    (asked, *_) = job.asked()
    assert str(asked.text).endswith("=")


def test_the_plan(settings: dict[str, Any]) -> None:
    plan = KnowledgeTuning(**settings).plan()
    assert plan["data"]["passages"] == 24, "equal ones once"
    train = plan["data"]["train"]
    assert plan["steps"] == {"steps": -(-train // 4), "epochs": 1, "reranker's": -(-train // 4)}
    assert replace(KnowledgeTuning(**settings), encoder="some/body").plan()["reranker"]["fetches"] == "some/body"


@pytest.mark.parametrize(("row", "message"), [
    ({"prompt": "1", "answer": "2"}, "line 1: there is no column 'rationale'"),
    ({"prompt": "1", "rationale": "2"}, "line 1: there is no answer or solution or ground_truth"),
    ({"prompt": [{"role": "user", "content": "1"}], "rationale": "2", "answer": "3"}, "line 1: column 'prompt' is"),
])  # fmt: skip
def test_wrong_rows(row: dict[str, Any], message: str, tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text(lines(row))
    with pytest.raises(SteelyardError) as error:
        ReasonedFile().reasoned(str(tmp_path / "q.jsonl"), "--path")
    assert message in str(error.value)


def test_equal_rows_once_and_no_passages(tmp_path: Path) -> None:
    row = {"question": "1", "rationale": "2", "answer": 3}
    (tmp_path / "q.jsonl").write_text(lines(row, row, row | {"rationale": "4"}))
    read = ReasonedFile().reasoned(str(tmp_path / "q.jsonl"), "--path")
    assert [(one.question, one.rationale, one.answer) for one in read] == [("1", "2", "3"), ("1", "4", "3")]
    assert read[0].place.endswith("line 1")
    with pytest.raises(SteelyardError, match="--knowledge: is missing"):
        knowledge_of("", "text")
    with pytest.raises(SteelyardError, match="there is no column 'text'"):
        knowledge_of(str(tmp_path / "q.jsonl"), "text")
