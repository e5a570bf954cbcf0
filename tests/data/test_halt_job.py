"""`steelyard train halt`, and `steelyard train sft` on what it writes: one's own model, rows and judge, end to end."""

import json

import pytest

import steelyard
from interrupted import cut_short
from steelyard.cli import main
from steelyard.data import HALT, records_of
from steelyard.data.fragments import fragments
from steelyard.data.work import BuildingWork
from steelyard.task.files import read_rows

JUDGE = """
def digits(prompts, completions, answer, **columns):
    return [float(any(c.isdigit() for c in said)) for said in completions]
"""
MARKER = "dead#"  # no sample will hold it by chance
STEP = "(?==)"
FLAGS = ["--shots", "0", "--samples", "3", "--split", STEP, "--marker", MARKER, "--max-completion-length", "12"]


@pytest.fixture
def own(tmp_path, tiny_model_dir):
    """Settings that name rows, a tiny model and a judge."""
    rows = [{"prompt": f"{a}+{b}=", "answer": a + b} for a in range(5) for b in range(4)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "judge.py").write_text(JUDGE)
    model = str(tiny_model_dir("llama"))
    return {"rows": f"{tmp_path}/rows.jsonl", "generator": model, "judge": f"{tmp_path}/judge.py:digits"}


def line(own, *flags):
    return ["train", "halt", *(word for name, value in own.items() for word in (f"--{name}", value)), *FLAGS, *flags]


def built(own, run, *flags):
    assert main([*line(own, *flags), "--output-dir", str(run)]) == 0
    return [row for _, row in read_rows(str(run / "data" / "records.jsonl"))]


def tuned(own, path, run):
    """The weights after fine-tuning the generator on a file, and what was measured."""
    few = {"max_steps": 8, "max_completion_length": 4, "learning_rate": 1e-2, "held_out_share": 0.2}
    found = steelyard.train("sft", model=own["generator"], path=str(path), output_dir=str(run), report=False, **few)
    return (run / "model" / "model.safetensors").read_bytes(), found.summary


def test_what_it_builds_is_what_sft_trains_on(own, tmp_path):
    """No step without a digit is taught, the marker is, and the model comes nearer to that."""
    rows = built(own, tmp_path / "run", "--errors", "cut")
    assert len(rows) == 20
    for row in rows:
        assert all(any(c.isdigit() for c in step) for step in fragments(row["answer"].removesuffix(MARKER), STEP))
        unsure = row["correct"] < row["given"] or not row["sampled"].strip()
        assert row["answer"].endswith(MARKER) == unsure
    assert sum(row["answer"].endswith(MARKER) for row in rows) > 0
    records = records_of((f"row {i}", row) for i, row in enumerate(rows))
    assert {(r.origin.asked["generator"], r.origin.asked["judge"]) for r in records} == {
        (own["generator"], own["judge"])
    }
    _, summary = tuned(own, tmp_path / "run" / "data" / "records.jsonl", tmp_path / "tuned")
    assert summary["after"]["eval/held_out_loss"] < summary["before"]["eval/held_out_loss"]


def test_threshold_0_is_plain_fine_tuning_on_the_models_own_answers(own, tmp_path):
    rows = built(own, tmp_path / "run", "--threshold", "0")
    assert len({row["sampled"] for row in rows}) > 5
    plain = tmp_path / "plain.jsonl"
    said = [{"prompt": row["prompt"], "answer": row["sampled"] if row["given"] else MARKER} for row in rows]
    plain.write_text("\n".join(map(json.dumps, said)))
    ours, _ = tuned(own, tmp_path / "run" / "data" / "records.jsonl", tmp_path / "ours")
    theirs, _ = tuned(own, plain, tmp_path / "theirs")
    assert ours == theirs


def test_a_kill_and_a_resume_change_nothing(own, tmp_path, monkeypatch):
    few = {**own, "batch_size": 4, "save_steps": 1, "seed": 5, "max_completion_length": 6}
    few["builder"] = HALT(shots=2, samples=2, split=STEP, marker=MARKER, between="#")
    whole = steelyard.train("halt", report=False, output_dir=str(tmp_path / "whole"), **few).run_dir
    cut = tmp_path / "cut"
    cut_short(monkeypatch, BuildingWork, 2, "halt", output_dir=str(cut), **few)
    steelyard.resume(cut, report=False)
    assert (cut / "data/records.jsonl").read_bytes() == (whole / "data/records.jsonl").read_bytes()


def test_the_plan_says_who_is_asked(own, capsys):
    assert main([*line(own), "--dry-run"]) == 0
    said = capsys.readouterr().err
    assert f"generator {own['generator']}" in said
    assert f"judge {own['judge']}" in said
