"""Steering as a job: what it fits, its run directory, who uses what it wrote, and what it refuses."""

import json
import shutil
from pathlib import Path

import pytest
import torch

import steelyard
from steelyard.cli import main
from steelyard.core import SteelyardError
from steelyard.core.job import Job, Speaks, Work
from steelyard.policy import Policy
from steelyard.policy.activations import mean_states
from steelyard.recipes import find
from steelyard.training.run_directory import read_finished_run


@pytest.fixture(params=["llama", "gpt2"])
def settings(request, tmp_path, tiny_model_dir):
    """A job on two kinds of texts and a tiny model, of two families."""
    texts = {"source": [f"{n}+{n} a" for n in range(10)], "target": [f"b {n}-{n}" for n in range(10)]}
    for name, rows in texts.items():
        (tmp_path / f"{name}.jsonl").write_text("\n".join(json.dumps({"text": row}) for row in rows))
    named = {name: str(tmp_path / f"{name}.jsonl") for name in texts}
    model = str(tiny_model_dir(request.param))
    return {"model": model, "output_dir": str(tmp_path / "run"), "max_completion_length": 5, **named}


def _job(settings, recipe="mean-shift", **changed):
    recipe = find(recipe)
    named = settings | changed
    steering = type(recipe.steering)(**{k: named.pop(k) for k in ("layer", "strength", "where", "steps") if k in named})
    return type(recipe)(**{**vars(recipe), "steering": steering, **named})


def test_it_fits_the_difference_of_the_means(settings):
    job = _job(settings, layer=1, where="all")
    work = job.open()
    assert isinstance(job, Job)
    assert isinstance(job, Speaks)
    assert isinstance(work, Work)
    assert (work.steps, work.num_steps) == (0, 1)
    before, _ = work.evaluate()
    metrics = work.step()
    after, samples = work.evaluate()
    assert after != before
    policy = Policy.load(settings["model"])
    means = [
        mean_states(policy, texts, ["layers.1"])["layers.1"].mean(0) for texts in (work.fit.source, work.fit.target)
    ]
    assert metrics == {"steering/norm/layers.1": pytest.approx(float((means[1] - means[0]).norm()))}
    assert len(samples) == min(4, len(work.measure.source))
    assert work.facts["source"] + work.facts["target"] + work.facts["held_out"] == 20


def test_the_run_and_all_who_use_it(settings, tmp_path, capsys):
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
    assert main(["train", "mean-shift", *flags, "--layer", "1", "--strength", "4"]) == 0
    run = tmp_path / "run"
    assert {path.name for path in (run / "model").iterdir()} == {"intervention.json", "intervention.safetensors"}
    rows = [json.loads(line) for line in (run / "eval.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [0, 1]
    assert rows[0]["eval/preference"] != rows[1]["eval/preference"]
    assert "target over source" in (run / "report.html").read_text()
    capsys.readouterr()
    assert main(["eval", str(run)]) == 0
    said = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert float(said["preference"]) == pytest.approx(rows[1]["eval/preference"], abs=1e-4)
    assert main(["eval", str(run), "--base"]) == 0
    said = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert float(said["preference"]) == pytest.approx(rows[0]["eval/preference"], abs=1e-4)
    assert main(["sample", str(run), "--prompts", "1", "--samples", "1"]) == 0
    assert len(capsys.readouterr().out.splitlines()) >= 1


def test_a_run_that_was_killed_goes_on(settings, tmp_path):
    whole = steelyard.train("mean-shift", report=False, **settings).run_dir
    kept = (whole / "model" / "intervention.safetensors").read_bytes()
    rows = (whole / "eval.jsonl").read_bytes()
    (whole / "result.json").unlink()
    shutil.rmtree(whole / "model")
    resumed = steelyard.resume(whole, report=False)
    assert (whole / "model" / "intervention.safetensors").read_bytes() == kept
    assert (whole / "eval.jsonl").read_bytes() == rows
    assert resumed.summary["steps"] == 1
    assert read_finished_run(whole).model == whole / "model"


def test_post_training_under_an_intervention(settings, tmp_path):
    fitted = steelyard.train("mean-shift", report=False, **settings).run_dir / "model"
    rows = [{"prompt": f"{n}+1=", "answer": str(n + 1)} for n in range(40)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    few = ["--max-steps", "2", "--num-prompts", "2", "--num-generations", "2", "--search-prompts", "2"]
    few += ["--max-completion-length", "4", "--replay.warmup", "2", "--runtime", "inline"]
    out = tmp_path / "tb"
    words = ["rows", "--path", str(tmp_path / "rows.jsonl"), "--model", settings["model"], *few]
    assert main(["train", *words, "--output-dir", str(out), "--intervention", str(fitted)]) == 0
    metrics = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert max(row["search/logp_mismatch_max"] for row in metrics) < 1e-4
    assert main(["train", *words, "--output-dir", str(tmp_path / "no"), "--intervention", str(tmp_path)]) == 2
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(("changed", "said"), [
    ({"model": ""}, "--model: is missing"),
    ({"source": ""}, "--source: is missing; name a .jsonl or .parquet file with a column text"),
    ({"column": "words"}, "line 1: there is no column 'words'; choose one of text, or name the column with --column"),
    ({"target": "SOURCE"}, "of its texts are in"),
    ({"held_out": 0.0}, "texts are fitted to and 0 are held out"),
    ({"max_completion_length": 63}, "--max-completion-length: is 63"),
    ({"layer": 2}, "intervention: the model has no site 'layers.2'"),
])  # fmt: skip
def test_what_is_wrong_is_said_before_anything_is_written(settings, tmp_path, changed, said):
    changed = {name: settings["source"] if value == "SOURCE" else value for name, value in changed.items()}
    for act in ("plan", "open"):
        with pytest.raises(SteelyardError) as caught:
            getattr(_job(settings, **changed), act)()
        assert said in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_the_plan(settings):
    found = _job(settings, layer=1).plan()
    assert found["sites"] == {"changed": "layers.1"}
    assert found["data"]["context"] == 64
    assert set(found["model"]) == {"model", "type", "parameters", "device"}
    bos = "llama" in settings["model"]
    assert found["data"]["longest_tokens"] == 5 + bos


def test_lineas_learns_and_goes_on_where_it_was_killed(settings, tmp_path):
    words = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
    assert main(["train", "lineas", *words, "--steps", "10", "--l1", "0.01"]) == 0
    run = tmp_path / "run"
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [*range(1, 11)]
    assert rows[-1]["learner/loss"] < rows[0]["learner/loss"]
    assert 0 < rows[-1]["steering/changed"] <= 1
    measured = (run / "eval.jsonl").read_text()
    assert [json.loads(line)["step"] for line in measured.splitlines()] == [0, 2, 4, 6, 8, 10]
    kept = (run / "model" / "intervention.safetensors").read_bytes()
    for name in ("result.json", "model", "checkpoint-10"):
        (shutil.rmtree if (run / name).is_dir() else Path.unlink)(run / name)
    steelyard.resume(run, report=False)
    assert (run / "model" / "intervention.safetensors").read_bytes() == kept
    assert (run / "eval.jsonl").read_text() == measured


def test_one_by_one_each_layer_is_fitted_to_what_those_before_it_give(settings):
    work = _job(settings, "lin-act").open()
    assert (work.steps, work.num_steps) == (0, 2)
    work.step()
    policy = Policy.load(settings["model"])
    first = work.policy.intervention
    assert first.sites(2) == ("layers.0",)
    work.step()
    assert (work.steps, work.policy.intervention.sites(2)) == (2, ("layers.0", "layers.1"))
    target = mean_states(policy, work.fit.target, ["layers.1"])
    moved = mean_states(policy, work.fit.source, ["layers.1"], under=first)
    expected = work.fit.steering.fit(moved, target).tensors
    assert all(torch.equal(work.policy.intervention.tensors[name], x) for name, x in expected.items())
    apart = work.fit.steering.fit(mean_states(policy, work.fit.source, ["layers.1"]), target).tensors
    assert not torch.allclose(apart["shift/layers.1"], expected["shift/layers.1"])
