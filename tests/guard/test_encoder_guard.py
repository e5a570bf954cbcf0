"""A guard that is an encoder with an attention of one's choice: fitted as a job, then used as any classifier is."""

import json

import pytest
import torch

import steelyard
from interrupted import cut_short
from steelyard.cli import main
from steelyard.guard.encoder_guard import EncoderGuard
from steelyard.guard.encoder_job import FitEncoder
from steelyard.guard.saved import Source
from steelyard.learner.fitting_work import FittingWork
from steelyard.model import EncoderSizes, Linformer
from steelyard.policy.classifier import Classifier
from steelyard.recipes import find

TEXTS = [f"a{i % 7} b{i % 5} {'bad' if i % 2 else 'good'} c{i % 3}" for i in range(80)]
SMALL = {"hidden_size": 16, "num_layers": 1, "num_heads": 2, "context_length": 8, "steps": 80, "learning_rate": 1e-2}


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text("\n".join(json.dumps({"text": t, "label": i % 2}) for i, t in enumerate(TEXTS)))
    return path


@pytest.mark.parametrize("attention", ["", "linformer"])
def test_fitted_it_is_a_classifier_like_any_other(attention, texts, tmp_path):
    chosen = {"attention": attention, "attention_settings": '{"compression": 2}' if attention else "{}"}
    run = steelyard.train(
        "encoder-guard", texts=str(texts), output_dir=str(tmp_path / "run"), **SMALL, **chosen
    ).run_dir
    rows = [json.loads(line) for line in (run / "eval.jsonl").read_text().splitlines()]
    assert rows[-1]["eval/f1"] == 1.0
    assert len(json.loads((run / "result.json").read_text())["after"]) >= 3
    classifier = Classifier.load(str(run / "model"))
    assert classifier.labels == ["harmless", "harmful"]
    share_N, state_ND = classifier.read(["a1 b1 bad c1", "a1 b1 good c1"], "harmful")
    assert share_N[0] > 0.5 > share_N[1]
    assert state_ND.shape == (2, 16)
    model_type = json.loads((run / "model/config.json").read_text())["model_type"]
    assert model_type == ("steelyard" if attention else "modernbert")
    assert main(["eval", str(run)]) == 0


def test_its_ruling_is_what_is_saved(tmp_path):
    sizes = EncoderSizes(
        vocab_size=4, hidden_size=16, num_layers=1, num_heads=2, context_length=8, labels=("harmless", "harmful"),
        attention=Linformer(compression=2),
    )  # fmt: skip
    guard = EncoderGuard(["a", "b"], sizes, seed=1)
    assert guard.encode(["a z b", "b"])[0].tolist() == [[2, 1, 3], [3, 0, 0]]
    ruling = guard(["a z b", "b", "a " * 20])
    guard.write(tmp_path / "model")
    share_N, state_ND = Classifier.load(str(tmp_path / "model")).read(["a z b", "b", "a " * 20], "harmful")
    torch.testing.assert_close(share_N, ruling.harm_N)
    torch.testing.assert_close(state_ND, ruling.state_ND)


def test_a_kill_and_a_resume_change_nothing(texts, tmp_path, monkeypatch):
    few = {"texts": str(texts), "save_steps": 2, "eval_steps": 3, "attention": "linformer", **SMALL, "steps": 5}
    whole = steelyard.train("encoder-guard", report=False, output_dir=str(tmp_path / "whole"), **few).run_dir
    cut = tmp_path / "cut"
    cut_short(monkeypatch, FittingWork, 3, "encoder-guard", output_dir=str(cut), **few)
    steelyard.resume(cut, report=False)
    for name in ("metrics.jsonl", "eval.jsonl", "model/model.safetensors"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.parametrize(("flags", "said"), [
    (["--attention", "linforme"], "unknown attention of encoders 'linforme'; did you mean 'linformer'"),
    (["--attention-settings", '{"compression": 2}'], "--attention: has settings and no name"),
    (["--attention", "linformer", "--attention-settings", "{"], "--attention-settings: is no JSON"),
    (["--attention", "linformer", "--attention-settings", "[]"], "--attention-settings: is []; write an object"),
    (["--attention", "linformer", "--attention-settings", '{"window": 2}'], "unknown setting 'window'"),
    (["--attention", "linformer", "--context-length", "2"], "linformer.compression: is 4, and the longest text has 2"),
    (["--num-heads", "5"], "use a multiple of twice the number of heads"),
])  # fmt: skip
def test_bad_input_is_one_line_and_nothing_is_written(flags, said, texts, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for dry in ([], ["--dry-run"]):
        assert main(["train", "encoder-guard", "--texts", str(texts), *flags, *dry]) == 2
        assert said in capsys.readouterr().err.splitlines()[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["t.jsonl"]


def test_a_plan_names_the_network(texts, capsys):
    assert isinstance(find("encoder-guard"), FitEncoder)
    words = ["train", "encoder-guard", "--texts", str(texts), "--attention", "linformer", "--dry-run"]
    assert main(words) == 0
    assert "attention linformer, parameters" in capsys.readouterr().err


def test_a_run_of_it_is_a_guard_wherever_a_guard_is_named(texts, tmp_path):
    run = tmp_path / "run"
    few = SMALL | {"steps": 1}
    steelyard.train("encoder-guard", texts=str(texts), output_dir=str(run), report=False, **few)
    assert Source(str(run)).here("--small")
    by_run = Source(str(run)).load("--small")
    by_model = Source(str(run / "model")).load("--small")
    torch.testing.assert_close(by_run(TEXTS).harm_N, by_model(TEXTS).harm_N)


def test_a_text_without_tokens_is_rated_alone_and_among_others(tmp_path):
    sizes = EncoderSizes(
        vocab_size=4, hidden_size=16, num_layers=1, num_heads=2, context_length=8, labels=("harmless", "harmful")
    )
    EncoderGuard(["a", "b"], sizes, seed=1).write(tmp_path / "model")
    classifier = Classifier.load(str(tmp_path / "model"))
    share_N, state_ND = classifier.read(["", ""], "harmful")
    among_N, _ = classifier.read(["a b", ""], "harmful")
    assert state_ND.isfinite().all()
    torch.testing.assert_close(share_N, among_N[1:].expand(2))
