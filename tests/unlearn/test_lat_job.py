import json
from dataclasses import replace
from pathlib import Path

import pytest

import steelyard
from interrupted import cut_short
from steelyard.cli import main
from steelyard.core import SteelyardError
from steelyard.learner.given_data import GivenData
from steelyard.report import write_report
from steelyard.unlearn import LAT
from steelyard.unlearn.forgetting_audits import ForgettingAudits
from steelyard.unlearn.lat_job import LatentTraining
from steelyard.unlearn.latent_attack import LatentAttack

METHOD = LAT(adversary=LatentAttack(radius=0.5, attack_steps=2, attack_rate=0.2))
FEW = {"batch_size": 4, "max_steps": 2, "max_completion_length": 3, "learning_rate": 1e-2, "fresh_steps": 3}
RECORDS = ("metrics.jsonl", "eval.jsonl", "data.json", "model/model.safetensors")


def write(path, rows):
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


@pytest.fixture
def files(tmp_path):
    pairs = [{"prompt": f"{n}-", "chosen": "a", "rejected": f"{n % 10}"} for n in range(24)]
    benign = [{"prompt": f"{n}+", "answer": f"{n % 10}"} for n in range(24)]
    return {"path": write(tmp_path / "pairs.jsonl", pairs), "retain": write(tmp_path / "benign.jsonl", benign)}


def job_of(files, model, **settings):
    return LatentTraining(**files | {"model": str(model), "objective": METHOD, **FEW} | settings)


def test_a_step_takes_pairs_and_as_many_benign_rows(files, tiny_model_dir):
    work = job_of(files, tiny_model_dir("llama")).open()
    groups = work.groups_at(0)
    assert [len(group) for group in groups] == [2] * 4 + [1] * 4
    assert [t.reward for t in groups[0]] == [1.0, 0.0]
    assert [group[0].labels["retain"] for group in groups] == [False] * 4 + [True] * 4
    assert work.facts["train"] + work.facts["held_out"] == 24


def test_measures(files, tiny_model_dir):
    work = job_of(files, tiny_model_dir("gpt2"), held_out_share=0.3).open()
    row, samples = work.evaluate()
    assert 0 <= row["eval/bare_leak"] <= row["eval/leak"] <= 1
    assert row["eval/leak_probability"] > row["eval/bare_leak_probability"]
    assert row["eval/held_out_loss"] > 0
    assert "eval/rest_after_gain" in row
    assert samples[0]["chosen"] == "a"
    quiet = job_of(files, tiny_model_dir("gpt2"), audits=ForgettingAudits(relearning_steps=0)).open().evaluate()[0]
    assert "eval/rest_after_gain" not in quiet


def test_it_learns_to_hold(files, tiny_model_dir):
    work = job_of(files, tiny_model_dir("llama"), max_steps=40, batch_size=16, held_out_share=0.2).open()
    before, _ = work.evaluate()
    for _ in range(40):
        metrics = work.step()
    after, _ = work.evaluate()
    assert after["eval/good_probability"] > max(0.9, before["eval/good_probability"])
    assert after["eval/leak_probability"] < 0.3
    assert {"objective/toward", "objective/away", "objective/retain"} <= metrics.keys()


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_run_has_its_measures_and_a_page(family, files, tiny_model_dir, tmp_path, capsys):
    given = {**files, "model": str(tiny_model_dir(family)), "objective": METHOD, **FEW}
    run = steelyard.train("lat", report=False, output_dir=str(tmp_path / "run"), **given).run_dir
    write_report(run)
    assert "under a fresh latent attack" in (run / "report.html").read_text()
    assert main(["eval", str(run)]) == 0
    assert "leak_probability" in capsys.readouterr().out
    assert main(["sample", str(run), "--samples", "1", "--prompts", "1"]) == 0


def test_a_run_that_was_cut_short_goes_on_bit_for_bit(files, tiny_model_dir, tmp_path, monkeypatch):
    given = {**files, "model": str(tiny_model_dir("llama")), "objective": METHOD, **FEW, "max_steps": 3}
    given |= {"save_steps": 1, "eval_steps": 1}
    cut_short(monkeypatch, GivenData, 2, "lat", output_dir=str(tmp_path / "cut"), **given)
    run = steelyard.resume(tmp_path / "cut", report=False).run_dir
    whole = steelyard.train("lat", report=False, output_dir=str(tmp_path / "whole"), **given).run_dir
    for name in RECORDS:
        assert (run / name).read_bytes() == (whole / name).read_bytes()


def test_what_cannot_work_is_refused(files, tiny_model_dir):
    job = job_of(files, tiny_model_dir("llama"))
    for settings, said in (
        ({"path": ""}, "--path: is missing"),
        ({"retain": ""}, "--retain: is missing"),
        ({"model": ""}, "--model: is missing"),
        ({"max_completion_length": 64}, "--max-completion-length: is 64: a prompt of"),
        ({"objective": LAT(adversary=LatentAttack(sites=("layers.9",)))}, r"the model has no site 'layers.9'"),
    ):
        with pytest.raises(SteelyardError, match=said):
            replace(job, **settings).plan()
    with Path(files["retain"]).open("a") as file:
        file.write('\n{"prompt": "3-", "answer": "3"}')
    with pytest.raises(SteelyardError, match=r"line 25: its prompt is in .*pairs\.jsonl too; leave it out"):
        job.plan()
