import json
from dataclasses import replace

import pytest

import steelyard
from interrupted import cut_short
from steelyard.cli import main
from steelyard.core import SteelyardError
from steelyard.learner.given_data import GivenData
from steelyard.objective import SFT
from steelyard.policy.likelihood import num_actions, total_logp
from steelyard.pretrain.spectrum import Spectrum
from steelyard.pretrain.spectrum_tuning import NO_ROOM, UNUSED, SpectrumTuning
from steelyard.report import write_report

SHORT = Spectrum(role="{role}=", after="#")
FEW = {"batch_size": 4, "max_steps": 4, "max_completion_length": 3, "samples": 4, "learning_rate": 1e-2}
RECORDS = ("metrics.jsonl", "eval.jsonl", "data.json", "model/model.safetensors")


def write(path, rows):
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


@pytest.fixture
def draws(tmp_path):
    """Twenty tasks of nine draws, of two outputs each."""
    rows = [{"task": t, "description": f"{t}+", "output": str(t % 7 + n % 3 % 2)} for t in range(20) for n in range(9)]
    return write(tmp_path / "draws.jsonl", rows)


def job_of(draws, model, **settings):
    return SpectrumTuning(**{"draws": draws, "model": str(model), "showing": SHORT, **FEW} | settings)


def test_held_out_tasks_are_not_learned_from(draws, tiny_model_dir):
    job = job_of(draws, tiny_model_dir("llama"))
    train, held, targets = job._read()
    assert not {p.name for p in train} & {p.name for p in held}
    assert len(train) + len(held) == 20
    assert {t.process for t in targets} == {p.name for p in held}
    work = job.open()
    assert work.facts["tasks"] == len(train)
    assert work.facts["draws"] + work.facts["notes"].get(UNUSED, 0) == 9 * len(train)
    learned = {group[0].prompt_id for step in range(9) for group in work.groups_at(step)}
    assert not learned & {p.description for p in held}


def test_the_loss_is_that_of_the_outputs(draws, tiny_model_dir):
    """The first step's loss is the mean over the tokens of its outputs."""
    work = job_of(draws, tiny_model_dir("gpt2")).open()
    groups = work.groups_at(0)
    batch_loss = work.step()["learner/loss"]
    again = job_of(draws, tiny_model_dir("gpt2")).open().learner
    ts = [t for [t] in groups]
    assert batch_loss == pytest.approx(-total_logp(again.policy, ts).sum() / num_actions(ts).sum(), rel=1e-4)
    assert isinstance(work.learner.objective, SFT)


def test_tasks_with_a_target_are_held_out(draws, tiny_model_dir, tmp_path):
    rows = [{"task": t, "outputs": ["0", "1"], "probabilities": [0.5, 0.5]} for t in (3, 8)]
    job = job_of(draws, tiny_model_dir("llama"), targets=write(tmp_path / "targets.jsonl", rows))
    train, held, targets = job._read()
    assert [p.name for p in held] == [t.process for t in targets] == ["3", "8"]
    assert len(train) == 18
    assert job.plan()["data"]["targets"] == 2
    row, _ = job.open().evaluate()
    assert 0 < row["eval/tv_described"] < 1


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_run_has_its_measures_and_a_page(family, draws, tiny_model_dir, tmp_path, capsys):
    model = str(tiny_model_dir(family))
    given = {"draws": draws, "model": model, "showing": SHORT, **FEW}
    run = steelyard.train("spectrum", report=False, output_dir=str(tmp_path / "run"), **given).run_dir
    first, last = (json.loads(line) for line in (run / "eval.jsonl").read_text().splitlines()[:2])
    assert last["eval/in_context_loss"] < first["eval/in_context_loss"]
    write_report(run)
    page = (run / "report.html").read_text()
    assert "distribution from the known one" in page
    assert main(["eval", str(run)]) == 0
    assert "tv_described" in capsys.readouterr().out
    assert main(["sample", str(run), "--samples", "1", "--prompts", "1"]) == 0
    assert "output=" in capsys.readouterr().out


def test_a_run_that_was_cut_short_goes_on_bit_for_bit(draws, tiny_model_dir, tmp_path, monkeypatch):
    given = {"draws": draws, "model": str(tiny_model_dir("llama")), "showing": SHORT, **FEW}
    given |= {"save_steps": 1, "eval_steps": 1}
    cut_short(monkeypatch, GivenData, 2, "spectrum", output_dir=str(tmp_path / "cut"), **given)
    run = steelyard.resume(tmp_path / "cut", report=False).run_dir
    whole = steelyard.train("spectrum", report=False, output_dir=str(tmp_path / "whole"), **given).run_dir
    for name in RECORDS:
        assert (run / name).read_bytes() == (whole / name).read_bytes()


def test_what_is_left_out_is_counted(tiny_model_dir, tmp_path):
    rows = [{"task": t, "description": "1", "output": "1" * n} for t in range(30) for n in (1, 2, 70)]
    told = replace(SHORT, description_share=1.0)
    plan = job_of(write(tmp_path / "d.jsonl", rows[:-1]), tiny_model_dir("llama"), showing=told).plan()
    data = plan["data"]
    assert data["notes"][UNUSED] == data["tasks"]
    alone = [{"task": t, "output": "1"} for t in range(30)]
    with pytest.raises(SteelyardError, match=r"no sequence has anything to learn; shorten the outputs, give descrip"):
        job_of(write(tmp_path / "e.jsonl", alone), tiny_model_dir("llama")).plan()
    assert NO_ROOM in data["notes"]


def test_what_cannot_work_is_refused(draws, tiny_model_dir, tmp_path):
    llama = tiny_model_dir("llama")
    every = [{"task": t, "outputs": ["0", "1"], "probabilities": [0.5, 0.5]} for t in range(20)]
    for settings, said in (
        ({"draws": ""}, "--draws: is missing; name a .jsonl or .parquet file with task and output"),
        ({"model": ""}, "--model: is missing"),
        ({"targets": write(tmp_path / "t.jsonl", every)}, "names every task of .*; leave some tasks out"),
        ({"max_completion_length": 64}, "no held-out task leaves room for 64 tokens; lower"),
    ):
        with pytest.raises(SteelyardError, match=said):
            job_of(**{"draws": draws, "model": llama} | settings).open()
