import json

import pytest

import steelyard
from interrupted import cut_short
from steelyard.core import SteelyardError
from steelyard.guard.eee_explore import EEEExplore
from steelyard.guard.explore_job import Exploring, ExploringWork

FEW = {"samples": 60, "batch_size": 20, "max_completion_length": 3, "explore": EEEExplore(clusters=4, per_cluster=3)}


@pytest.fixture
def oracle(tmp_path):
    path = tmp_path / "mine.py"
    says = "[None if 'e' in c else float('1' in c) for c in completions]"
    path.write_text(f"def bad(prompts, completions, **columns):\n    return {says}\n")
    return f"{path}:bad"


def rows_of(run):
    return [json.loads(line) for line in (run / "data" / "records.jsonl").read_text().splitlines()]


def test_a_run_chooses_and_has_labels_given(tiny_model_dir, tmp_path, oracle):
    given = {"model": str(tiny_model_dir("llama")), "oracle": oracle, **FEW}
    run = steelyard.train("eee-explore", report=False, output_dir=str(tmp_path / "run"), **given).run_dir
    rows = rows_of(run)
    assert 0 < len(rows) <= 12
    assert len({row["text"] for row in rows}) == len(rows)
    assert all(row["label"] == ("1" in row["text"]) for row in rows)
    assert not any("e" in row["text"] for row in rows), "what the oracle cannot tell is left out"
    assert {row["cluster"] for row in rows} <= set(range(4))


def test_without_an_oracle_there_are_no_labels(tiny_model_dir, tmp_path):
    given = {"model": str(tiny_model_dir("gpt2")), **FEW}
    run = steelyard.train("eee-explore", report=False, output_dir=str(tmp_path / "run"), **given).run_dir
    assert set(rows_of(run)[0]) == {"text", "cluster"}


def test_prompts_of_a_file_are_asked_in_turn(tiny_model_dir, tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_text("\n".join(json.dumps({"prompt": f"{n}+"}) for n in range(3)))
    work = Exploring(model=str(tiny_model_dir("llama")), rows=str(path), **FEW).open()
    assert len(work.asked) == work.facts["prompts"] == 3
    assert work.step()["data/sampled"] == 20


def test_a_run_that_was_cut_short_writes_the_same_file(tiny_model_dir, tmp_path, monkeypatch):
    given = {"model": str(tiny_model_dir("llama")), **FEW, "save_steps": 1}
    cut_short(monkeypatch, ExploringWork, 2, "eee-explore", output_dir=str(tmp_path / "cut"), **given)
    run = steelyard.resume(tmp_path / "cut", report=False).run_dir
    whole = steelyard.train("eee-explore", report=False, output_dir=str(tmp_path / "whole"), **given).run_dir
    assert rows_of(run) == rows_of(whole)


def test_what_cannot_work_is_refused(tiny_model_dir):
    model = str(tiny_model_dir("llama"))
    for settings, said in (
        ({}, "--model: is missing"),
        ({"model": model, "max_completion_length": 64}, "--max-completion-length: is 64"),
        ({"model": model, "oracle": "bad"}, "it names no function"),
        ({"model": model, "rows": "./nowhere.jsonl"}, "there is no such file"),
    ):
        with pytest.raises(SteelyardError, match=said):
            Exploring(**settings).plan()
