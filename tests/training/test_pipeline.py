"""A pipeline: a run directory for each stage, each on the model before it, and one resume for the whole."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

import steelyard
from steelyard.cli import main
from steelyard.core import SteelyardError, Stopped, decode
from steelyard.learner.given_data import GivenData
from steelyard.recipes import find
from steelyard.runtime import HeldOut, VirtualClock
from steelyard.training.pipeline import Pipeline
from steelyard.training.pipeline_run import read_pipeline

JOB = {"batch_size": 4, "max_steps": 3, "max_completion_length": 4, "learning_rate": 1e-2, "threads": 1}
SAVED = {"save_steps": 1, "eval_steps": 2}
RUN = {
    "runtime": "inline",
    "max_steps": 2,
    "num_prompts": 2,
    "search_prompts": 2,
    "num_generations": 4,
    "max_completion_length": 4,
    "learning_rate": 1e-3,
    "save_steps": 1,
}
STAGES = ("1-sft", "2-dpo", "3-rlvr")
WHOLE = ("metrics.jsonl", "eval.jsonl", "samples.jsonl", "data.json", "model/model.safetensors")
"""What a resume must not change."""


@pytest.fixture
def files(tmp_path):
    """Flag -> its file."""
    rows = {
        "sft": [{"prompt": f"{n}+1=", "answer": str(n + 1)} for n in range(24)],
        "pairs": [{"prompt": f"{n}-1=", "chosen": f"{n - 1}", "rejected": "a" * (1 + n % 3)} for n in range(1, 25)],
        "rows": [{"prompt": f"{n}+2=", "answer": str(n + 2)} for n in range(24)],
    }
    for name, some in rows.items():
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, some)))
    return {name: str(tmp_path / f"{name}.jsonl") for name in rows}


def small(**dpo):
    recipe = find("tulu3")
    held = HeldOut(prompts=2, sampled_prompts=1, samples=2)
    return replace(
        recipe,
        sft=replace(recipe.sft, **JOB, **SAVED),
        dpo=replace(recipe.dpo, **JOB | SAVED | dpo),
        rlvr=replace(recipe.rlvr, **RUN, evaluation=held, inline=VirtualClock(threads=1)),
    )


def words_of(files, model, **more):
    """The same as flags."""
    words = ["train", "tulu3", "--model", str(model), *(w for name in files for w in (f"--{name}", files[name]))]
    for name, settings in (("sft", JOB | SAVED), ("dpo", JOB | SAVED | more), ("rlvr", RUN)):
        words += [w for key, value in settings.items() for w in (f"--{name}.{key.replace('_', '-')}", str(value))]
    words += ["--rlvr.evaluation.prompts", "2", "--rlvr.evaluation.sampled-prompts", "1"]
    return [*words, "--rlvr.evaluation.samples", "2", "--rlvr.inline.threads", "1"]


def given_to(files, model, directory):
    """The arguments of `steelyard.train`."""
    return {name: (file,) for name, file in files.items()} | {"model": str(model), "output_dir": str(directory)}


def begin(files, model, directory, **dpo):
    given = given_to(files, model, directory)
    return steelyard.train(small(**dpo), name="tulu3", report=False, **given)


def states(directory):
    return [row["state"] for row in json.loads((directory / "pipeline.json").read_text())["stages"]]


def same(one, other, *, stages=STAGES):
    for stage in stages:
        for name in WHOLE:
            assert (one / stage / name).read_bytes() == (other / stage / name).read_bytes(), f"{stage}/{name}"


def test_each_stage_is_a_run_on_the_model_before_it(files, tiny_model_dir, tmp_path):
    result = begin(files, tiny_model_dir("llama"), tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        ".lock", "1-sft", "2-dpo", "3-rlvr", "data", "pipeline.json",
    ]  # fmt: skip
    assert states(tmp_path / "out") == ["done"] * 3
    assert result.summary["product"] == "3-rlvr/model"
    assert [*result.summary["stages"]] == ["sft", "dpo", "rlvr"]
    assert result.summary["stages"]["dpo"]["after"]["eval/preference_accuracy"] >= 0.5
    models = [json.loads((tmp_path / "out" / s / "config.json").read_text())["run"]["model"] for s in STAGES]
    assert models == [str(tiny_model_dir("llama")), f"{tmp_path}/out/1-sft/model", f"{tmp_path}/out/2-dpo/model"]
    pipeline, _ = read_pipeline(tmp_path / "out")
    assert isinstance(pipeline, Pipeline)
    assert pipeline.given.sft == (files["sft"],)
    alone = replace(
        small().sft, model=models[0], output_dir=str(tmp_path / "alone"),
        path=f"{tmp_path}/out/data/1-sft.jsonl", held_out=f"{tmp_path}/out/data/1-sft-held-out.jsonl",
    )  # fmt: skip
    steelyard.train(alone, report=False)
    name = "model/model.safetensors"
    assert (tmp_path / "alone" / name).read_bytes() == (tmp_path / "out/1-sft" / name).read_bytes()


def test_a_kill_in_the_second_stage_and_a_resume_change_nothing(files, tiny_model_dir, tmp_path):
    steps = {"max_steps": 40}
    whole = begin(files, tiny_model_dir("llama"), tmp_path / "whole", **steps).run_dir
    cut = tmp_path / "cut"
    words = [*words_of(files, tiny_model_dir("llama"), **steps), "--output-dir", str(cut)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    child = subprocess.Popen([sys.executable, "-m", "steelyard", *words], stderr=subprocess.PIPE, env=environment)
    until = time.monotonic() + 120
    while not (cut / "2-dpo" / "checkpoint-2").exists() and child.poll() is None and time.monotonic() < until:
        time.sleep(0.005)
    child.kill()
    _, said = child.communicate(timeout=60)
    assert child.returncode == -signal.SIGKILL, said.decode()
    assert states(cut) == ["done", "begun", "waiting"]
    assert not (cut / "2-dpo" / "result.json").exists()
    first = (cut / "1-sft" / "model" / "model.safetensors").stat().st_mtime_ns
    result = steelyard.resume(cut, report=False)
    assert states(cut) == ["done"] * 3
    assert result.run_dir == cut
    same(cut, whole)
    assert (cut / "1-sft" / "model" / "model.safetensors").stat().st_mtime_ns == first
    with pytest.raises(SteelyardError, match="has reached its end; begin a new one, or extend its last stage"):
        steelyard.resume(cut)
    longer = steelyard.resume(cut / "3-rlvr", max_steps=3, report=False)
    assert longer.summary["steps"] == 3


def test_a_kill_between_the_stages_changes_nothing(files, tiny_model_dir, tmp_path, monkeypatch):
    """Before the data are kept, before a stage has begun, and after it has ended and before that is noted."""
    whole = begin(files, tiny_model_dir("llama"), tmp_path / "whole").run_dir
    cut = tmp_path / "cut"

    def dies(*_, **__):
        raise InterruptedError

    for target in ("steelyard.training.pipeline_run._keep", "steelyard.training.pipeline_run._clear"):
        with monkeypatch.context() as patch, pytest.raises(InterruptedError):
            patch.setattr(target, dies)
            steelyard.resume(cut, report=False) if cut.exists() else begin(files, tiny_model_dir("llama"), cut)
    (cut / "1-sft").mkdir()
    (cut / "1-sft" / ".lock").write_text("")
    with monkeypatch.context() as patch, pytest.raises(InterruptedError):
        patch.setattr(GivenData, "close", dies)
        steelyard.resume(cut, report=False)
    steelyard.resume(cut / "1-sft", report=False)
    assert states(cut) == ["begun", "waiting", "waiting"]
    steelyard.resume(cut, report=False)
    same(cut, whole)


def test_a_signal_ends_the_pipeline_with_a_checkpoint(files, tiny_model_dir, tmp_path, monkeypatch):
    whole = begin(files, tiny_model_dir("llama"), tmp_path / "whole").run_dir
    step = GivenData.step

    def asked(self):
        if self.steps == 1 and type(self.learner.objective).__name__ == "DPO":
            signal.raise_signal(signal.SIGTERM)
        return step(self)

    with monkeypatch.context() as patch, pytest.raises(Stopped) as stopped:
        patch.setattr(GivenData, "step", asked)
        begin(files, tiny_model_dir("llama"), tmp_path / "cut")
    assert stopped.value.exit_code == 128 + signal.SIGTERM
    assert f"go on with steelyard train --resume {tmp_path}/cut" in str(stopped.value)
    assert str(stopped.value).endswith("/cut")
    assert "at step 2" in str(stopped.value)
    steelyard.resume(tmp_path / "cut", report=False)
    same(tmp_path / "cut", whole)


def test_flags_plan_and_page(files, tiny_model_dir, tmp_path, capsys):
    words = words_of(files, tiny_model_dir("llama"))
    out = tmp_path / "out"
    before = sorted(tmp_path.rglob("*"))
    assert main([*words, "--output-dir", str(out), "--dry-run", "--json"]) == 0
    printed = capsys.readouterr()
    assert sorted(tmp_path.rglob("*")) == before, "a dry run writes nothing"
    plan = json.loads(printed.out.splitlines()[-1])
    assert [*plan["stages"]] == ["sft", "dpo", "rlvr"]
    assert plan["data"]["sft"]["files"] == {files["sft"]: 24}
    settings = plan["stages"]["dpo"]["settings"]
    assert settings["--beta"] == 5.0
    assert settings["--length-normalised"] is True
    assert settings["--model"] == f"{out}/1-sft/model"
    assert settings["--path"] == f"{out}/data/2-dpo.jsonl"
    for said in ("nothing was trained, downloaded or written", "stage 2 of 3, dpo, into", "rows: 24 of ", "steps: "):
        assert said in printed.err
    assert main([*words, "--output-dir", str(out), "--dpo.beta", "0.5", "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out.splitlines()[-1])["product"] == "3-rlvr/model"
    assert "stage 3 of 3, rlvr: RLVR with PPO" in printed.err
    assert "dpo: held-out pairs preferred rightly 50.0% -> " in printed.err
    config = json.loads((out / "2-dpo/config.json").read_text())["run"]
    assert (config["objective"]["beta"], config["objective"]["length_normalised"], config["batch_size"]) == (
        0.5,
        True,
        4,
    )
    page = (out / "report.html").read_text()
    for stage in STAGES:
        assert f'href="{stage}/report.html"' in page
        assert (out / stage / "report.html").is_file()
    assert "held-out loss" in page and "3 of 3" in page
    (out / "report.html").unlink()
    assert main(["report", str(out)]) == 0
    assert (out / "report.html").read_text() == page


def test_what_overlaps_is_left_out_counted_and_told(files, tiny_model_dir, tmp_path, capsys):
    held = tmp_path / "held.jsonl"
    held.write_text("\n".join(json.dumps({"prompt": f"{n}+1=", "answer": n + 1}) for n in (3, 4)))
    words = [*words_of(files, tiny_model_dir("llama")), "--rlvr.held-out", str(held), "--output-dir", f"{tmp_path}/out"]
    assert main([*words, "--dry-run", "--json"]) == 0
    printed = capsys.readouterr()
    [(what, number)] = json.loads(printed.out.splitlines()[-1])["data"]["sft"]["notes"].items()
    assert f"{number:,} {what}" in printed.err
    assert what == "rows left out because their prompt is held out"
    assert main(words) == 0
    lines = (tmp_path / "out/data/1-sft.jsonl").read_text().splitlines()
    learned = {json.loads(line)["prompt"] for line in lines}
    assert not learned & {"3+1=", "4+1="}
    assert f"Of the rows of sft: {number} {what}." in (tmp_path / "out/report.html").read_text()


def test_a_reward_of_ones_own_verifies_the_last_stage(files, tiny_model_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text("def all(prompts, completions, **columns):\n    return [1.0] * len(completions)\n")
    given = given_to(files, tiny_model_dir("llama"), "out")
    steelyard.train(small(), name="tulu3", report=False, reward="own.py:all", **given)
    rows = [json.loads(line) for line in (tmp_path / "out/3-rlvr/samples.jsonl").read_text().splitlines()]
    assert {row["reward"] for row in rows} <= {10.0, -10.0}
    assert json.loads((tmp_path / "out/3-rlvr/config.json").read_text())["run"]["reward"] == "own.py:all"


def test_what_python_gets_wrong(files, tiny_model_dir, tmp_path):
    given = given_to(files, tiny_model_dir("llama"), tmp_path / "out")
    for changed, said in (
        ({"reward": len}, "a pipeline takes no callable"),
        ({"colour": 1}, "unknown setting 'colour'"),
        ({"model": ""}, "--model: is missing"),
        ({"pairs": (files["sft"],)}, r"sft\.jsonl, line \d+: there is no column 'chosen'"),
    ):
        with pytest.raises(SteelyardError, match=said):
            steelyard.train(small(), **given | changed)
    assert not (tmp_path / "out").exists()
    with pytest.raises(SteelyardError, match=r"--dpo\.seed: is set for one stage, and belongs to the pipeline"):
        small(seed=3)
    with pytest.raises(SteelyardError, match="'tulu3' is a pipeline"):
        steelyard.load("tulu3")


def test_a_pipeline_json_of_another_kind_is_refused(files, tiny_model_dir, tmp_path):
    out = begin(files, tiny_model_dir("llama"), tmp_path / "out").run_dir
    state = json.loads((out / "pipeline.json").read_text())
    kind = state["run"]["class"]
    assert decode(state["run"]) == read_pipeline(out)[0]
    for changed, said in (
        ({"run": {"class": "steelyard.task.arithmetic:Arithmetic"}}, "holds settings of a Arithmetic"),
        ({"run": {"class": "os:path"}}, "cannot be imported on the word of a file"),
        ({"stages": state["stages"][:2]}, "its stages are not those of its settings"),
        ({"stages": [row | {"run": "../x"} for row in state["stages"]]}, "is no pipeline.json"),
        ({"stages": [row | {"state": "lost"} for row in state["stages"]]}, "is no pipeline.json"),
    ):
        (out / "pipeline.json").write_text(json.dumps(state | changed))
        with pytest.raises(SteelyardError, match=said):
            steelyard.resume(out)
    assert kind == "steelyard.training.three_stages:ThreeStages"
