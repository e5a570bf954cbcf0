"""Rounds: a reward model that picks records, records that are learned from, and one resume for all of it."""

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
from steelyard.core import SteelyardError
from steelyard.data import ancestors, records_of
from steelyard.recipes import find
from steelyard.task.files import read_rows

JOB = {"batch_size": 4, "max_steps": 2, "learning_rate": 1e-2, "threads": 1, "save_steps": 1, "eval_steps": 2}
TUNED = JOB | {"max_completion_length": 4}
ASKED = {"batch_size": 6, "max_completion_length": 4, "threads": 1, "save_steps": 1}
SETTINGS = {"reward": JOB, "sampling": ASKED, "sft": TUNED, "dpo": TUNED}
SHORT = "def short(prompts, completions, **columns):\n    return [-float(len(c)) for c in completions]\n"
ONE_ROUND = ["1-reward-1", "2-sampling-1", "3-sft-1", "4-dpo-1"]


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Flag -> its file, by a name that is the same wherever the pipeline runs."""
    rows = {
        "sft": [{"prompt": f"{n}+1=", "answer": str(n + 1)} for n in range(24)],
        "pairs": [{"prompt": f"{n}-1=", "chosen": f"{n - 1}", "rejected": "a" * (1 + n % 3)} for n in range(1, 33)],
        "prompts": [{"prompt": f"{n}+2=", "hint": n} for n in range(24)],
    }
    for name, some in rows.items():
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, some)))
    (tmp_path / "own.py").write_text(SHORT)
    monkeypatch.chdir(tmp_path)
    return {name: f"{tmp_path}/{name}.jsonl" for name in rows}


def small(**changed):
    """The recipe with small settings; STAGE={...} changes one stage further."""
    recipe = find("llama3")
    few = {name: replace(getattr(recipe, name), **own | changed.get(name, {})) for name, own in SETTINGS.items()}
    asked = replace(recipe.compared, **ASKED | changed.get("compared", {}))
    return replace(recipe, **few, compared=asked)


def begin(files, model, directory, recipe=None, **given):
    named = {name: (file,) for name, file in files.items()} | {"rounds": 1, "model": str(model)} | given
    return steelyard.train(recipe or small(), name="llama3", report=False, output_dir=str(directory), **named)


def words_of(files, model, *more):
    """The same as flags."""
    words = ["train", "llama3", "--model", str(model), *(w for name in files for w in (f"--{name}", files[name]))]
    for name, settings in SETTINGS.items():
        words += [w for key, value in settings.items() for w in (f"--{name}.{key.replace('_', '-')}", str(value))]
    return [*words, *more]


def rows_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def config(run):
    return json.loads((run / "config.json").read_text())["run"]


def states(directory):
    return [row["state"] for row in json.loads((directory / "pipeline.json").read_text())["stages"]]


def same(one, other):
    """All that the stages wrote, timing apart."""
    runs = sorted(path.name for path in one.iterdir() if path.name[0].isdigit())
    for run in runs:
        for name in ("metrics.jsonl", "eval.jsonl", "data.json", "model/model.safetensors", "data/records.jsonl"):
            assert (one / run / name).is_file() == (other / run / name).is_file(), f"{run}/{name}"
            if (one / run / name).is_file():
                assert (one / run / name).read_bytes() == (other / run / name).read_bytes(), f"{run}/{name}"
    for path in (one / "data").iterdir():
        assert path.read_bytes() == (other / "data" / path.name).read_bytes(), path.name


def test_a_round_hands_on_what_its_stages_make(files, tiny_model_dir, tmp_path):
    model = tiny_model_dir("llama")
    out = begin(files, model, "out").run_dir
    assert sorted(path.name for path in out.iterdir() if path.name[0].isdigit()) == ONE_ROUND
    assert states(out) == ["done"] * 4
    reward, sampling, sft, dpo = (config(out / run) for run in ONE_ROUND)
    assert (reward["model"], sft["model"], dpo["model"]) == (str(model), str(model), "out/3-sft-1/model")
    assert (sampling["generator"], sampling["judge"]) == (str(model), "reward-model:out/1-reward-1")
    assert sft["path"] == "out/data/3-sft-1-gathered.jsonl"
    built = records_of(read_rows(str(out / "2-sampling-1/data/records.jsonl")))
    assert built, "the tiny model writes some answers that end"
    for record in built:
        assert record.origin.asked["judge"] == "reward-model:out/1-reward-1"
        assert ancestors(record, built) == {*record.origin.sources}
        assert record.fields["reward"] >= record.fields["mean_reward"]
    learned = rows_of(out / "data/3-sft-1-gathered.jsonl")
    given = rows_of(out / "data/3-sft-1.jsonl")
    assert learned[: len(given)] == given
    assert [row["record"]["id"] for row in learned[len(given) :]] == [record.id for record in built]
    stage = json.loads((out / "pipeline.json").read_text())["stages"][2]["data"]
    assert stage["files"] == {files["sft"]: 24, "records of sampling-1": len(built)}
    assert stage["train"] == len(learned)


@pytest.mark.long  # a pipeline, twice
def test_a_kill_while_records_are_built_and_a_resume_change_nothing(files, tiny_model_dir, tmp_path, monkeypatch):
    model = tiny_model_dir("llama")
    (tmp_path / "whole").mkdir()
    (tmp_path / "cut").mkdir()
    monkeypatch.chdir(tmp_path / "whole")  # records name the models that made them, as they were named
    recipe = small(sampling={"batch_size": 1, "builder": replace(find("llama3").sampling.builder, samples=3)})
    whole = begin(files, model, "out", recipe).run_dir.resolve()
    monkeypatch.chdir(tmp_path / "cut")
    words = words_of(files, model, "--rounds", "1", "--sampling.batch-size", "1", "--sampling.samples", "3")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    child = subprocess.Popen(
        [sys.executable, "-m", "steelyard", *words, "--output-dir", "out"], stderr=subprocess.PIPE, env=environment
    )
    cut = tmp_path / "cut" / "out"
    until = time.monotonic() + 240
    while not any(cut.glob("2-sampling-1/checkpoint-*")) and child.poll() is None and time.monotonic() < until:
        time.sleep(0.005)
    child.kill()
    _, said = child.communicate(timeout=60)
    assert child.returncode == -signal.SIGKILL, said.decode()
    assert states(cut) == ["done", "begun", "waiting", "waiting"]
    steelyard.resume("out", report=False)
    assert states(cut) == ["done"] * 4
    same(cut, whole)


def test_rounds_go_on_from_each_other_and_a_judge_makes_pairs(files, tiny_model_dir, tmp_path):
    builder = replace(find("llama3").compared.builder, samples=6)
    recipe = small(compared={"judge": "own.py:short", "builder": builder})
    model = str(tiny_model_dir("llama"))
    out = begin(files, model, "out", recipe, rounds=2, runs=2).run_dir
    assert states(out) == ["done"] * 21
    runs = {path.name.partition("-")[2]: path for path in out.iterdir() if path.name[0].isdigit()}
    trained = {name: config(run)["model"] for name, run in runs.items() if name[-5:] in ("run-1", "run-2")}
    assert {trained[f"{stage}-{r}-run-{n}"] for stage in ("reward", "sft") for r in (1, 2) for n in (1, 2)} == {model}
    assert trained["dpo-2-run-2"] == f"out/{runs['sft-2'].name}/model"
    assert config(runs["dpo-2"])["models"] == [f"out/{runs[f'dpo-2-run-{n}'].name}/model" for n in (1, 2)]
    for stage in ("compared", "sampling"):
        assert config(runs[f"{stage}-2"])["generator"] == f"out/{runs['dpo-1'].name}/model"
    assert config(runs["sampling-2"])["judge"] == f"reward-model:out/{runs['reward-2'].name}"
    compared = records_of(read_rows(str(runs["compared-2"] / "data/records.jsonl")))
    assert compared and all(len(r.fields["chosen"]) < len(r.fields["rejected"]) for r in compared)
    number = runs["dpo-2-run-1"].name.partition("-")[0]
    assert len(rows_of(out / f"data/{number}-dpo-2-run-1-gathered.jsonl")) == len(compared)
    first = rows_of(out / "data" / f"{runs['reward-2-run-1'].name}.jsonl")
    gathered = rows_of(out / "data" / f"{runs['reward-2-run-1'].name}-gathered.jsonl")
    assert len(gathered) == len(first) + len(compared)
    assert config(runs["sft-1-run-1"])["seed"] != config(runs["sft-1-run-2"])["seed"]


def test_pairs_are_dealt_out_to_the_rounds_or_come_by_file(files, tmp_path):
    parts = [(s.part.first, s.part.end, s.part.of) for s in replaced(files, rounds=3) if s.flag == "--pairs"]
    assert parts == [(0, 1, 3), (0, 1, 3), (0, 2, 3), (1, 2, 3), (0, 3, 3), (2, 3, 3)]
    by_file = replaced(files, rounds=2, pairs=("a", "b"))
    assert [(s.name, [*s.files]) for s in by_file if s.flag == "--pairs"] == [
        ("reward-1", ["a"]), ("dpo-1", ["a"]), ("reward-2", ["a", "b"]), ("dpo-2", ["b"]),
    ]  # fmt: skip


def replaced(files, **given):
    recipe = find("llama3")
    return replace(recipe, given=replace(recipe.given, **{"pairs": ("all",), **given})).stages()


def test_a_plan_shows_all_rounds_and_writes_nothing(files, tiny_model_dir, tmp_path, capsys):
    before = sorted(tmp_path.rglob("*"))
    words = words_of(files, tiny_model_dir("llama"), "--rounds", "2", "--output-dir", "out", "--dry-run", "--json")
    assert main(words) == 0
    printed = capsys.readouterr()
    assert sorted(tmp_path.rglob("*")) == before
    stages = json.loads(printed.out.splitlines()[-1])["stages"]
    assert [*stages] == [f"{name}-{r}" for r in (1, 2) for name in ("reward", "sampling", "sft", "dpo")]
    second = stages["sampling-2"]["settings"]
    assert (second["--generator"], second["--judge"]) == ("out/4-dpo-1/model", "reward-model:out/5-reward-2")
    dpo = stages["dpo-2"]["settings"]
    assert (dpo["--model"], dpo["--nll-weight"], dpo["--format-masked"]) == ("out/7-sft-2/model", 0.2, True)
    assert stages["sft-2"]["settings"]["--path"] == "out/data/7-sft-2-gathered.jsonl"
    for said in ("stage 8 of 8, dpo-2, into out/8-dpo-2", "all records of sampling-2, which are not made yet"):
        assert said in printed.err
    more = ({"prompt": f"{n}-5=", "chosen": "0", "rejected": "a"} for n in range(12))
    (tmp_path / "more.jsonl").write_text("\n".join(map(json.dumps, more)))
    assert main([*words, "--pairs", "more.jsonl"]) == 0
    data = json.loads(capsys.readouterr().out.splitlines()[-1])["data"]
    assert [*data["reward-2"]["files"]] == [files["pairs"], "more.jsonl"]
    assert [*data["dpo-2"]["files"]] == ["more.jsonl"]


def test_words_around_prompts_hold_for_every_stage(files, tiny_model_dir):
    recipe = find("llama3")
    given = replace(recipe.given, rounds=1, wording=replace(recipe.given.wording, prompt_template="{prompt}#"))
    stages = replace(recipe, given=given).stages()
    assert stages[1].settings.wording == given.wording
    assert {stage.settings.file.prompt_template for stage in (stages[0], *stages[2:])} == {"{prompt}#"}
    with pytest.raises(SteelyardError, match=r"--sft\.chat: is set for one stage, and belongs to the pipeline"):
        replace(recipe, sft=replace(recipe.sft, file=replace(recipe.sft.file, chat=True)))
