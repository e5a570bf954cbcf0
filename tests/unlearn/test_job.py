"""The audits that every unlearning method's job makes alike, at both ends."""

import json

import pytest

import steelyard
from steelyard.cli import main
from steelyard.core import SteelyardError

FEW = {"epochs": 2, "batch_size": 2, "eval_steps": 1, "max_completion_length": 4, "learning_rate": 1e-2}
MEASURED = (
    "eval/reworded_probability",
    "eval/membership_auc",
    "eval/forget_in_context_probability",
    "eval/rest_after_gain",
    "eval/rest_before_quality",
)


@pytest.fixture
def files(tmp_path, tiny_model_dir):
    """Settings with all that the audits need."""

    def row(prompt, answer, **more):
        return {"prompt": prompt, "answer": answer, "wrong": ["a", "b"], **more}

    written = {
        "forget": [row(f"{n}+1=", str(n + 1), reworded=[f"1+{n}="]) for n in range(4)],
        "retain": [row(f"{n}-1=", n - 1) for n in range(1, 4)],
        "held_out": [row(f"{n}*2=", 2 * n) for n in range(3)],
    }
    for name, rows in written.items():
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    named = {name: str(tmp_path / f"{name}.jsonl") for name in written}
    model = str(tiny_model_dir("llama"))
    return {"model": model, "retrained": model, "output_dir": str(tmp_path / "run"), **named, **FEW}


def rows_of(run, name="eval"):
    return [json.loads(line) for line in (run / f"{name}.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("recipe", ["npo", "gradient-ascent", "refusal-dpo", "idk"])
def test_every_method_is_audited_alike_before_and_after(recipe, files):
    run = steelyard.train(recipe, **files, report=recipe == "npo").run_dir
    first, *between, last = rows_of(run)
    assert {name for name in first if name.startswith("eval/")} == {name for name in last if name.startswith("eval/")}
    assert set(MEASURED) <= {*first}
    assert not any(name in row for row in between for name in MEASURED)
    assert "not_measured_without" not in json.loads((run / "data.json").read_text())
    # Before the first step the model is the retrained one.
    assert first["eval/rest_before_quality"] == 1.0


def test_what_is_not_given_is_said_not_to_be_measured(files, capsys, tmp_path):
    bare = [{"prompt": f"{n}+1=", "answer": str(n + 1)} for n in range(4)]
    (tmp_path / "forget.jsonl").write_text("\n".join(map(json.dumps, bare)))
    words = ["--model", files["model"], "--forget", files["forget"], "--max-completion-length", "4", "--max-steps", "2"]
    run = tmp_path / "run"
    assert main(["train", "npo", *words, "--dry-run"]) == 0
    said = "prompts in other words (a column reworded, or --reworded FILE); rows that the model never saw"
    assert said in " ".join(capsys.readouterr().err.split())
    assert main(["train", "npo", *words, "--output-dir", str(run)]) == 0
    assert json.loads((run / "data.json").read_text())["not_measured_without"].startswith(said)
    (first, *_) = rows_of(run)
    assert "eval/forget_in_context_probability" in first
    assert not {"eval/reworded_probability", "eval/membership_auc"} & {*first}
    assert said in " ".join((run / "report.html").read_text().split())


def test_a_file_of_other_words_goes_before_the_column_and_may_not_repeat_the_prompts(files, tmp_path):
    (tmp_path / "words.jsonl").write_text('{"prompt": "7=", "answer": "8"}')
    settings = {**files, "retrained": "", "reworded": str(tmp_path / "words.jsonl"), "max_steps": 1}
    first, _ = rows_of(steelyard.train("npo", report=False, **settings).run_dir)
    assert "eval/reworded_probability" in first and "eval/reworded_truth" not in first
    for name in ("reworded", "held_out"):
        with pytest.raises(SteelyardError, match=r"forget.jsonl, line 1: its prompt is in .*forget.jsonl too"):
            steelyard.train("npo", **settings | {name: files["forget"], "output_dir": str(tmp_path / "other")})


def test_no_steps_of_relearning_measure_none(files):
    changed = {"audits": steelyard.recipes.find("npo").audits.__class__(relearning_steps=0), "max_steps": 1}
    run = steelyard.train("npo", report=False, **files, **changed).run_dir
    assert not any("rest_" in name for name in rows_of(run)[0])
    assert "relearning-steps is 0" in json.loads((run / "data.json").read_text())["not_measured_without"]
