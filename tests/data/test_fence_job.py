"""`steelyard train fence` and `fence-critic`, and the jobs that learn from what they write: own models and judges."""

import json

import pytest

import steelyard
from interrupted import cut_short
from steelyard.cli import main
from steelyard.core import SteelyardError
from steelyard.data import FenCE, records_of
from steelyard.data.critique import CritiqueForm, ModelCritic
from steelyard.data.fence_job import Revising
from steelyard.data.function_critic import FunctionCritic
from steelyard.data.work import BuildingWork
from steelyard.task.files import read_rows

JUDGE = """
def critic(prompts, completions, documents, **columns):
    rows = zip(completions, documents)
    return [("supported" if any(d in said for d in row[0]) else "contradictory", row[0]) for said, row in rows]
"""
FORM = CritiqueForm("{document}{claim}", "#")
SHORT = ["--split", "(?==)", "--paragraph", "(?=-)", "--ask", "{claim}", "--unknown", "7", "--rewrite", "{claim}"]
FLAGS = [*SHORT, "--samples", "4", "--rounds", "2", "--nothing", "dead#", "--max-completion-length", "8"]


@pytest.fixture
def own(tmp_path, tiny_model_dir):
    """Settings that name rows, a tiny model and a critic."""
    rows = [{"prompt": f"{a}+{b}=", "documents": [f"{a}{b}{a + b}"]} for a in range(5) for b in range(3)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "judge.py").write_text(JUDGE)
    model = str(tiny_model_dir("llama"))
    return {"rows": f"{tmp_path}/rows.jsonl", "generator": model, "judge": f"{tmp_path}/judge.py:critic"}


def line(own, *flags):
    return ["train", "fence", *(word for name, value in own.items() for word in (f"--{name}", value)), *FLAGS, *flags]


def test_what_it_builds_is_what_sft_and_dpo_train_on(own, tmp_path):
    run = tmp_path / "run"
    assert main([*line(own), "--output-dir", str(run)]) == 0
    path = run / "data" / "records.jsonl"
    rows = [row for _, row in read_rows(str(path))]
    assert len(rows) > 15
    assert sum(row["chosen"] != row["rejected"] for row in rows) > 5
    edits = [edit for row in rows for edit in row["edits"]]
    assert {edit["now"] == "" for edit in edits} == {True, False}, "some are removed, some rewritten"
    assert {edit["label"] for edit in edits} == {"contradictory"}
    assert {edit["critique"] for edit in edits} <= {row["documents"][0] for row in rows}
    sources = {r.id for r in records_of((f"row {i}", row) for i, (_, row) in enumerate(read_rows(own["rows"])))}
    for record in records_of((f"row {i}", row) for i, row in enumerate(rows)):
        assert record.origin.asked == {"generator": own["generator"], "judge": own["judge"]}
        assert {*record.origin.sources} < sources
    few = {"max_steps": 3, "learning_rate": 1e-2, "report": False, "path": str(path), "held_out_share": 0.3}
    few["max_completion_length"] = 4
    for job, measure in (("sft", "eval/held_out_loss"), ("offline-dpo", "eval/preference_margin")):
        found = steelyard.train(job, model=own["generator"], output_dir=str(tmp_path / job), **few)
        assert found.summary["after"][measure] != found.summary["before"][measure]


def test_a_kill_and_a_resume_change_nothing(own, tmp_path, monkeypatch):
    few = {**own, "batch_size": 4, "save_steps": 1, "seed": 5, "max_completion_length": 6, "report": False}
    few["builder"] = FenCE(samples=2, split="(?==)", ask="{claim}", unknown="7", rewrite="{claim}", rounds=1)
    whole = steelyard.train("fence", output_dir=str(tmp_path / "whole"), **few).run_dir
    cut = tmp_path / "cut"
    cut_short(monkeypatch, BuildingWork, 2, "fence", output_dir=str(cut), **few)
    steelyard.resume(cut, report=False)
    assert (cut / "data/records.jsonl").read_bytes() == (whole / "data/records.jsonl").read_bytes()


def test_a_model_judges_where_no_function_is_named(own, tmp_path, capsys):
    """Its critiques do not depend on what else is asked."""
    settings = {**own, "judge": own["generator"], "max_completion_length": 8}
    job = Revising(builder=FenCE(critic=FORM, documents_column="docs"), **settings)
    critic = job.judging()
    assert isinstance(critic, ModelCritic)
    found = critic.criticise(["", ""], ["1", "2"], docs=[["3", "4"], ["5"]])
    assert found[1:] == critic.criticise([""], ["2"], docs=[["5"]])
    assert isinstance(Revising(**own).judging(), FunctionCritic)
    settings = {**own, "judge": own["generator"]}
    words = [*line(settings), "--critic.template", "{document}{claim}"]
    assert main([*words, "--output-dir", str(tmp_path / "run")]) == 0, "it says nothing that can be read"
    assert (tmp_path / "run" / "data" / "records.jsonl").read_text() == ""
    assert main([*words, "--dry-run"]) == 0
    assert f"judge {own['generator']}" in capsys.readouterr().err
    with pytest.raises(SteelyardError, match="--documents-column: is empty, and a model judges by documents"):
        Revising(builder=FenCE(documents_column=""), **settings).plan()


def test_a_critic_is_tuned_on_what_its_teacher_wrote(own, tmp_path):
    rows = [{"claim": f"{n}", "document": f"{n}+{n}", "label": ["supported", "unverified"][n % 2]} for n in range(9)]
    (tmp_path / "claims.jsonl").write_text("\n".join(map(json.dumps, rows)))
    run = tmp_path / "run"
    flags = ["--critic.template", "{document}{claim}", "--critic.mark", "#", "--max-completion-length", "4"]
    words = ["train", "fence-critic", "--rows", f"{tmp_path}/claims.jsonl", "--generator", own["generator"], *flags]
    assert main([*words, "--output-dir", str(run)]) == 0
    built = [row for _, row in read_rows(str(run / "data" / "records.jsonl"))]
    assert [(row["prompt"], row["agreed"]) for row in built] == [(f"{n}+{n}{n}", False) for n in range(9)]
    assert [row["answer"] for row in built] == [f"#{row['label']}" for row in rows]
