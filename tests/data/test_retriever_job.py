"""`steelyard train convretrieval` on one's own conversations: the run, a kill and a resume, what it wrote, its plan."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import steelyard
from interrupted import cut_short
from policy.encoders import save_encoder
from steelyard.cli import main
from steelyard.data.convretrieval import ConvRetrieval
from steelyard.data.retriever_job import EXAMPLES, KEYS, RetrieverJob
from steelyard.learner.fitting_work import FittingWork

FEW: dict[str, Any] = {"eval_steps": 50, "save_steps": 0, "report": False}
THINGS = ("fox", "hen", "cow", "owl")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    here = tmp_path_factory.mktemp("retriever")
    rows = [
        {"turns": [f"a {thing}", f"well {n}", "that"], "summary": f"wants {thing}", "state": thing}
        for n in range(8)
        for thing in THINGS
    ]
    (here / "c.jsonl").write_text("\n".join(map(json.dumps, rows)))
    rule = ConvRetrieval(keys="frozen", batch=8, steps=20, examples=2)
    encoder = save_encoder(here / "encoder")
    return {"path": str(here / "c.jsonl"), "encoder": encoder, "rule": rule, "learning_rate": 3e-3}


@pytest.fixture(scope="module")
def run(settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("run") / "r"
    return steelyard.train("convretrieval", output_dir=str(place), **settings, **FEW).run_dir


def test_what_was_saved_measures_the_same(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    after = json.loads((run / "result.json").read_text())["after"]
    assert 0 <= after["eval/recall"] <= 1
    assert {"eval/own", "eval/nearest_summary", "eval/recall_bm25"} <= {*after}
    assert (run / "model" / KEYS / "config.json").is_file()
    assert main(["eval", str(run), "--json"]) == 0
    row = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert row["eval/recall"] == pytest.approx(after["eval/recall"])


def test_examples_end_with_who_asks(run: Path) -> None:
    rows = [json.loads(line) for line in (run / "model" / EXAMPLES).read_text().splitlines()]
    assert rows
    for row in rows:
        shots = row["prompt"].split("\n\n")
        assert len(shots) == 3
        assert shots[-1].startswith(f"a {row['answer']}\nwell ")
        assert shots[-1].endswith("\nthat\n=> ")
        assert len(row["summaries"]) == 2


def test_a_kill_and_a_resume_change_nothing(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own: dict[str, Any] = settings | {"max_steps": 6, "eval_steps": 3, "save_steps": 2, "encoder_lora_rank": 2}
    whole = steelyard.train("convretrieval", report=False, output_dir=str(tmp_path / "whole"), **own).run_dir
    cut = tmp_path / "cut"
    cut_short(monkeypatch, FittingWork, 3, "convretrieval", output_dir=str(cut), **own)
    steelyard.resume(cut, report=False)
    for file in ("metrics.jsonl", "eval.jsonl", "model/model.safetensors", f"model/{EXAMPLES}"):
        assert (cut / file).read_bytes() == (whole / file).read_bytes()


def test_the_plan_says_what_is_learned_from(settings: dict[str, Any]) -> None:
    plan = RetrieverJob(**settings, max_steps=7).plan()
    assert plan["data"]["train"] + plan["data"]["held_out"] == 32
    assert plan["data"]["states"] == 4
    assert plan["steps"] == {"steps": 7}
    assert replace(RetrieverJob(**settings), encoder="some/body").plan()["encoder"]["fetches"] == "some/body"
