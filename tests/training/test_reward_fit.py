"""A reward model as a job: it is the command's loss, it stops and goes on, and other jobs take what it wrote."""

import json

import numpy as np
import pytest
import torch

import steelyard
from interrupted import cut_short
from steelyard.cli import main
from steelyard.learner.fitting_work import FittingWork
from steelyard.reward import BradleyTerry, Pair
from steelyard.reward.bradley_terry import margins
from steelyard.reward.named_model import named_model
from steelyard.reward.scorer import Scorer
from steelyard.task.preferences import PreferenceFile
from steelyard.training.pair_fit import PairFit

FEW = {"batch_size": 8, "learning_rate": 1e-2, "threads": 1}


@pytest.fixture
def pairs(tmp_path):
    """A file in which more letters are better."""
    rows = [{"prompt": f"{n}+1=", "chosen": "ab" * (1 + n % 2), "rejected": str(n % 7)} for n in range(40)]
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return str(tmp_path / "pairs.jsonl")


def fit(pairs, model, place, **settings):
    given = {"model": str(model), "path": pairs, "output_dir": str(place), **FEW, **settings}
    return steelyard.train("bradley-terry", report=False, **given)


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_it_learns_what_is_better_and_is_taken_by_name(family, pairs, tiny_model_dir, tmp_path):
    result = fit(pairs, tiny_model_dir(family), tmp_path / "run", epochs=8)
    assert result.summary["after"]["eval/preference_accuracy"] > 0.9
    scorer = named_model(str(tmp_path / "run")).scorer
    assert margins(scorer, [Pair("5+1=", "abab", "3")])[0] > 0
    assert main(["eval", str(tmp_path / "run")]) == 0


def test_its_loss_is_that_of_the_command(pairs, tiny_model_dir):
    """On one batch of all pairs: the same weights after a step, up to the rate's schedule."""
    model = str(tiny_model_dir("llama"))
    rows, _ = PreferenceFile().read(pairs, "--path")
    one, other = (Scorer.load(model, new_head=0) for _ in range(2))
    step = PairFit(one, rows, rows[:4], 1e-2, len(rows), 0.01, 0).begin(1)
    step.step()
    settings = BradleyTerry(learning_rate=1e-2, batch=64, held_out=0.1)
    settings._learn(other, [Pair(row.prompt.text, row.chosen, row.rejected) for row in rows])
    for mine, theirs in zip(one.net.parameters(), other.net.parameters(), strict=True):
        assert torch.allclose(mine, theirs, atol=1e-5)


def test_a_kill_and_a_resume_change_nothing(pairs, tiny_model_dir, tmp_path, monkeypatch):
    model = tiny_model_dir("llama")
    settings = {"max_steps": 6, "save_steps": 2, "eval_steps": 2}
    whole = fit(pairs, model, tmp_path / "whole", **settings).run_dir
    cut = {"model": str(model), "path": pairs, "output_dir": str(tmp_path / "cut"), **FEW, **settings}
    cut_short(monkeypatch, FittingWork, 3, "bradley-terry", **cut)
    steelyard.resume(tmp_path / "cut", report=False)
    for name in ("metrics.jsonl", "eval.jsonl", "samples.jsonl", "model/model.safetensors"):
        assert (tmp_path / "cut" / name).read_bytes() == (whole / name).read_bytes(), name


def test_measuring_leaves_what_learns_as_it_is(pairs, tiny_model_dir):
    rows, _ = PreferenceFile().read(pairs, "--path")
    scorer = Scorer.load(str(tiny_model_dir("llama")), new_head=0)
    before = scorer.head.weight.detach().clone()
    fit = PairFit(scorer, rows[4:], rows[:4], 1e-2, 8, 0.01, 0)
    measured, shown = fit.measure()
    assert torch.equal(scorer.head.weight, before)
    assert len(shown) == 8 and np.isfinite([row["reward"] for row in shown]).all()
    assert measured["eval/pairs"] == 4


@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["run", "dry"])
def test_wrong_input_is_one_line(dry, pairs, tiny_model_dir, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two.jsonl").write_text('{"prompt": "1", "chosen": "a", "rejected": "b"}\n' * 2)
    model = ["--model", str(tiny_model_dir("llama"))]
    for flags, said in (
        ([], "--path: is missing"),
        ([*model, "--path", "nowhere.jsonl"], "there is no such file"),
        (["--path", pairs], "--model: is missing"),
        ([*model, "--path", "two.jsonl"], "two.jsonl: "),
        (["--model", "./nowhere", "--path", pairs], "no such directory"),
    ):
        assert main(["train", "bradley-terry", *flags, "--output-dir", "run", *dry]) == 2
        assert said in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "run").exists()
