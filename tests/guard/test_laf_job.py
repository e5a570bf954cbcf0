"""A classifier that forgets texts: the run, with and without labels, and what is refused."""

import json
import shutil

import pytest

import steelyard
from steelyard.cli import main
from steelyard.core import SteelyardError
from steelyard.policy.classifier import Classifier
from steelyard.recipes import find

TEXTS = [f"a{i % 7} b{i % 5} {'bad' if i % 2 else 'good'} c{i % 3}" for i in range(60)]
SMALL = {"hidden_size": 16, "num_layers": 1, "num_heads": 2, "context_length": 8, "steps": 30, "learning_rate": 1e-2}
FEW = ["--epochs", "2", "--coding-epochs", "1", "--align-rate", "0.003", "--repair", "2"]


@pytest.fixture
def files(tmp_path):
    rows = [{"text": t, "label": i % 2} for i, t in enumerate(TEXTS)]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "gone.jsonl").write_text("\n".join(json.dumps({"text": row["text"]}) for row in rows[:8]))
    return tmp_path


@pytest.mark.parametrize("attention", ["", "linformer"])
def test_the_run_writes_a_classifier_that_forgot(files, attention):
    texts = str(files / "t.jsonl")
    chosen = {"attention": attention, "attention_settings": '{"compression": 2}' if attention else "{}"}
    guard = steelyard.train("encoder-guard", texts=texts, output_dir=str(files / "guard"), **SMALL, **chosen).run_dir
    run = files / "run"
    train = ["train", "laf", "--texts", texts, "--model", str(guard), "--forget", str(files / "gone.jsonl"), *FEW]
    assert main([*train, "--dry-run"]) == 0
    assert main([*train, "--output-dir", str(run)]) == 0
    first, *_, last = (json.loads(line) for line in (run / "eval.jsonl").read_text().splitlines())
    assert (first["eval/forget_changed"], first["eval/forget_moved"]) == (0.0, pytest.approx(0.0, abs=1e-6))
    assert last["eval/forget_moved"] > 1e-4
    facts = json.loads((run / "data.json").read_text())
    assert (facts["forgotten"], facts["kept"] + facts["held_out"] >= len({*TEXTS}) - 8) == (8, True)
    assert Classifier.load(str(run / "model")).labels == ["harmless", "harmful"]
    assert main(["eval", str(run)]) == 0
    kept = (run / "model" / "model.safetensors").read_bytes()
    (run / "result.json").unlink()
    shutil.rmtree(run / "model")
    steelyard.resume(run, report=False)
    assert (run / "model" / "model.safetensors").read_bytes() == kept


def test_what_is_wrong_is_said(files, tiny_model_dir):
    recipe = find("laf")
    known = {"texts": str(files / "t.jsonl"), "forget": str(files / "gone.jsonl")}
    (files / "all.jsonl").write_text("\n".join(json.dumps({"text": t}) for t in TEXTS))
    (files / "none.jsonl").write_text("")
    for changed, said in (
        ({"forget": ""}, "--forget: is missing"),
        ({"model": ""}, "--model: is missing; name a classifier"),
        ({"forget": str(files / "all.jsonl")}, "all texts to learn from are to be forgotten"),
    ):
        with pytest.raises(SteelyardError, match=said):
            type(recipe)(**{**vars(recipe), **known, **changed}).open()
