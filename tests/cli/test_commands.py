"""What each command does when all is well, in this process, and the object that --json prints last."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from experiments.fabricated import curve, fabricate
from steelyard.cli import COMMANDS, main
from steelyard.cli.progress import Progress
from steelyard.core import cards
from steelyard.experiments.harness import study_base
from steelyard.recipes import load, names
from steelyard.runtime import to_json
from steelyard.training.run_directory import read_finished_run

EXECUTABLE = Path(sys.executable).with_name("steelyard")
PROMISED = {
    "run_dir", "runtime", "searcher_pids", "accuracy_before", "accuracy_after", "seconds", "steps", "trajectories",
    "staleness_mean", "staleness_max", "learner_idle", "searcher_idle",
}  # fmt: skip


def test_train_arithmetic(call, few_arithmetic, tmp_path):
    run = tmp_path / "run"
    answer = call(
        "train", "arithmetic", *few_arithmetic, "--runtime", "inline", "--beta", 0.2, "--output-dir", run, "--json"
    )
    assert answer.code == 0
    assert answer.json.keys() >= PROMISED
    assert (answer.json["run_dir"], answer.json["runtime"], answer.json["steps"]) == (str(run), "inline", 2)
    assert answer.json["searcher_pids"] == []
    assert answer.out.count("\n") == 1  # all else goes to standard error
    for word in ("Arithmetic with VarGradTB", "held-out accuracy", "2 steps", str(run / "report.html")):
        assert word in answer.err
    config = json.loads((run / "config.json").read_text())
    assert config["command"][:5] == ["steelyard", "train", "arithmetic", "--max-steps", "2"]
    assert config["run"]["objective"]["beta"] == 0.2
    assert json.loads((run / "result.json").read_text()) == answer.json


def test_train_from_the_shell(few_uniform, tmp_path):
    words = ["train", "enumerable", *few_uniform, "--output-dir", str(tmp_path / "run"), "--json"]
    done = subprocess.run([EXECUTABLE, *words], capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1  # all else goes to standard error
    assert json.loads(done.stdout).keys() >= PROMISED


def test_train_enumerable_on_uniform_data(call, few_uniform, enumerable_run, tmp_path):
    """An infinite temperature reaches the searchers, and the settings file that names it is strict JSON."""
    answer = call("train", "enumerable", *few_uniform, "--output-dir", tmp_path / "run", "--json")
    extra = {"total_variation_before", "total_variation", "total_variation_lowest", "log_z_error"}
    assert answer.json.keys() >= PROMISED | extra
    assert "total variation to pi*" in answer.err
    for run in (tmp_path / "run", enumerable_run):
        config = json.loads((run / "config.json").read_text(), parse_constant=pytest.fail)
        assert config["run"]["search_temperature"] == "inf"
        assert read_finished_run(run).run.search_temperature == math.inf


def test_eval(call, arithmetic_run):
    few = ["--prompts", 12, "--sampled-prompts", 3, "--samples", 2]
    answer = call("eval", arithmetic_run, *few, "--json")
    assert answer.json["eval/prompts"] == 12
    assert 0 <= answer.json["eval/accuracy"] <= 1
    assert answer.out.startswith("accuracy ")
    base = call("eval", *few, "--base", arithmetic_run, "--json")  # the run may come last
    assert base.json["base"] is True
    before = json.loads((arithmetic_run / "result.json").read_text())["accuracy_before"]
    whole = call("eval", arithmetic_run, "--base", "--prompts", 8, "--sampled-prompts", 1, "--samples", 1, "--json")
    assert whole.json["eval/accuracy"] == before


def test_eval_measures_the_exact_distance(call, enumerable_run):
    answer = call("eval", enumerable_run, "--prompts", 2, "--sampled-prompts", 1, "--samples", 1, "--json")
    result = json.loads((enumerable_run / "result.json").read_text())
    assert answer.json["eval/total_variation"] == pytest.approx(result["total_variation"], abs=1e-6)


def test_sample_held_out_prompts(call, arithmetic_run):
    answer = call("sample", arithmetic_run, "--prompts", 3, "--samples", 2, "--json")
    rows = answer.json["samples"]
    asked = [row["prompt"] for row in rows]
    assert len(rows) == 6
    assert asked[0::2] == asked[1::2]
    assert len(set(asked)) == 3
    assert {row["reward"] for row in rows} <= {0.0, 1.0}
    assert f"{asked[0]}{rows[0]['completion']}" in answer.out
    assert call("sample", arithmetic_run, "--prompts", 3, "--samples", 2, "--json").json == answer.json


def test_sample_a_prompt_of_ones_own(call, arithmetic_run):
    greedy = ["--samples", 2, "--temperature", 0]
    rows = call("sample", arithmetic_run, "--prompt", "12+7-15+9=", *greedy, "--json").json["samples"]
    assert [row["reward"] for row in rows] == [None, None]
    assert rows[0] == rows[1]


def test_report(call, arithmetic_run, tmp_path):
    copy = Path(shutil.copytree(arithmetic_run, tmp_path / "copy"))
    (copy / "report.html").unlink()
    answer = call("report", copy, "--json")
    assert answer.json == {"run_dir": str(copy), "page": str(copy / "report.html")}
    assert (copy / "report.html").read_text().startswith("<!")


def test_replay_shows_what_is_stored(call, arithmetic_run):
    answer = call("replay", arithmetic_run, "--prompts", 2, "--each", 1, "--json")
    assert answer.code == 0
    summary, prompts = answer.json["summary"], answer.json["prompts"]
    assert answer.out.startswith(f"{summary['live']} trajectories of {summary['prompts']} prompts\n")
    assert f"total: admitted {summary['counts']['admitted']}" in answer.out
    assert "\nreward: 0 to 1, mean " in answer.out
    assert [len(prompts), len(prompts[0]["top"]), len(prompts[0]["worst"])] == [2, 1, 1]
    first = prompts[0]
    assert first["text"] == first["prompt"]  # this task's ids are its texts
    assert first["top"][0]["reward"] >= first["worst"][0]["reward"]
    assert f"\n{first['text']}: {first['count']} trajectories, reward " in answer.out
    for shown in (*first["top"], *first["worst"]):
        assert f" {shown['completion']}" in answer.out
    assert answer.err == ""


def test_replay_verifies_and_filters(call, arithmetic_run):
    whole = call("replay", arithmetic_run, "--prompts", 0, "--verify", "--json")
    assert whole.err == "every page and every trajectory is intact\n"
    assert whole.json["verified"] is True
    histogram = {bar["low"]: bar["count"] for bar in whole.json["summary"]["reward"]["histogram"]}
    right = call("replay", arithmetic_run, "--where", "reward > 0.5", "--json").json
    assert right["summary"]["live"] == histogram.get(1.0, 0)
    assert all(t["reward"] == 1 for p in right["prompts"] for t in (*p["top"], *p["worst"]))
    nothing = call("replay", arithmetic_run, "--where", "version > 99", "--json")
    assert nothing.json["prompts"] == []
    assert nothing.out.startswith("0 trajectories of 0 prompts where version > 99\n")


def test_replay_exports_and_loads(call, arithmetic_run, tmp_path):
    """What one run found goes to another as it was, in the same order, and can be shown and exported there."""
    file, again = tmp_path / "found.parquet", tmp_path / "again.parquet"
    exported = call("replay", arithmetic_run, "--prompts", 0, "--export", file, "--json")
    assert exported.json["exported"] == exported.json["summary"]["live"]
    assert f"exported {exported.json['exported']} trajectories to {file}" in exported.err
    other = Path(shutil.copytree(arithmetic_run, tmp_path / "other", ignore=shutil.ignore_patterns("replay.sqlite*")))
    loaded = call("replay", other, "--load", file, "--export", again, "--json")
    assert loaded.json["loaded"] == loaded.json["exported"] == exported.json["exported"]
    assert pq.read_table(again).equals(pq.read_table(file))
    shown = call("replay", arithmetic_run, "--json")
    assert loaded.json["prompts"] == shown.json["prompts"]


def test_replay_shows_tokens_where_the_tokenizer_is_gone(call, arithmetic_run, tmp_path):
    (tmp_path / "run").mkdir()
    shutil.copy(arithmetic_run / "replay.sqlite", tmp_path / "run")
    answer = call("replay", tmp_path / "run", "--prompts", 1, "--json")
    assert answer.err.startswith("token ids are shown, because the tokenizer cannot be loaded: ")
    assert answer.json["prompts"][0]["top"][0]["completion"].startswith("tokens [")


def test_repeat(call, arithmetic_run):
    answer = call("repeat", arithmetic_run, "--json")
    events = len((arithmetic_run / "events.jsonl").read_text().splitlines())
    assert answer.json == {"run_dir": str(arithmetic_run), "events": events, "divergence": None}
    assert answer.out.startswith(f"{events} events, all equal\n")


def test_repeat_names_the_first_event_that_differs(call, arithmetic_run, tmp_path):
    copy = Path(shutil.copytree(arithmetic_run, tmp_path / "copy"))
    rows = [json.loads(line) for line in (copy / "events.jsonl").read_text().splitlines()]
    rows[3]["clock"] += 1
    (copy / "events.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    answer = call("repeat", copy)
    assert answer.code == 1
    assert answer.err.startswith("steelyard: event 4: differs: recorded {'event': 4")
    assert answer.err.count("\n") == 1


def test_a_stopped_run_goes_on(call, few_arithmetic, arithmetic_run, tmp_path, monkeypatch):
    """SIGTERM after the first of two steps, then --resume: the same rows and weights as the run that was left alone."""
    run = tmp_path / "run"
    watch = Progress.watch

    def stop(progress, kind, row):
        watch(progress, kind, row)
        if kind == "metrics" and row["step"] == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr(Progress, "watch", stop)
        stopped = call("train", "arithmetic", *few_arithmetic, "--runtime", "inline", "--output-dir", run)
    assert stopped.code == 143
    assert f"steelyard train --resume {run}" in stopped.err.splitlines()[-1]
    assert not (run / "result.json").exists()
    answer = call("train", "--resume", run, "--json")
    assert answer.code == 0
    assert (answer.json["run_dir"], answer.json["steps"]) == (str(run), 2)
    for name in ("metrics.jsonl", "events.jsonl", "eval.jsonl", "model/model.safetensors"):
        assert (run / name).read_bytes() == (arithmetic_run / name).read_bytes(), name


def test_a_finished_run_is_extended(call, arithmetic_run, tmp_path):
    run = Path(shutil.copytree(arithmetic_run, tmp_path / "run"))
    answer = call("train", "--resume", run, "--max-steps", "3", "--json")
    assert answer.code == 0
    assert (answer.json["steps"], json.loads((run / "config.json").read_text())["run"]["max_steps"]) == (3, 3)
    before, after = ((d / "metrics.jsonl").read_text().splitlines() for d in (arithmetic_run, run))
    assert after[:2] == before
    assert len(after) == 3
    assert (run / "model/model.safetensors").read_bytes() != (arithmetic_run / "model/model.safetensors").read_bytes()
    assert call("train", "--resume", run).err.startswith(
        f"steelyard: {run}: has reached its end; begin a new run, or ext"
    )
    assert call("train", "--resume", run, "--max-steps", "3").err.startswith(
        "steelyard: --max-steps: is 3, and 3 steps"
    )


def test_methods_lists_every_card(call):
    answer = call("methods", "--json")
    assert {m["id"] for m in answer.json["methods"]} == {card.id for card in cards()}
    rooms = {m["room"] for m in answer.json["methods"]}
    assert rooms >= {"objective", "task", "replay", "reward", "curriculum"}
    assert [m["room"] for m in call("methods", "--room", "replay", "--json").json["methods"]] == ["replay", "replay"]
    assert "vargrad-tb" in answer.out


def test_methods_explains_one(call):
    answer = call("methods", "vargrad-tb", "--json")
    assert (answer.json["paper"], answer.json["settings"]) == ("arXiv:2503.18929", {"beta": 0.05})
    assert "stop_grad" in answer.out or "mean" in answer.out
    assert "beta = 0.05" in answer.out


def test_build_base(call, tmp_path):
    answer = call("build-base", "enumerable", "--output-dir", tmp_path / "base", "--json")
    assert answer.json == {"base": "enumerable", "model": str(tmp_path / "base")}
    assert (tmp_path / "base/model.safetensors").is_file()


def test_the_former_name_of_a_command_still_works_and_says_so(capsys):
    with pytest.raises(SystemExit) as end:
        main(["warmstart", "--help"])
    assert end.value.code == 0
    told = capsys.readouterr()
    assert told.err == "steelyard: warmstart is now called build-base\n"
    assert told.out.startswith("usage: steelyard build-base NAME")


def test_study(call, monkeypatch, tmp_path):
    """The table and the verdict of a study whose runs are given: trajectory balance loses 2 points, the other 30."""
    after = {
        "vargrad-tb": {1: 0.95, 4: 0.95, 16: 0.94, 64: 0.93},
        "dr-grpo-uncorrected": {1: 0.9, 4: 0.8, 16: 0.7, 64: 0.6},
        "grpo": {1: 0.9, 4: 0.9, 16: 0.9, 64: 0.85},
    }

    def carried_out(name, runs, directory, **_):
        assert name == "lag"
        assert all(run.max_steps == 5 for run in runs.values())
        for method, by_lag in after.items():
            for n, accuracy in by_lag.items():
                place = Path(directory) / f"{method}-lag{n}-seed0"
                fabricate(place, curve(0.1, accuracy), config={"run": {"max_steps": 5, "learning_rate": 5e-5}})
                assert place.name in runs

    monkeypatch.setattr(study_base, "sweep", carried_out)
    answer = call("study", "lag", "--seeds", 1, "--steps", 5, "--output-dir", tmp_path / "lag", "--json")
    assert answer.json["study"] == "lag"
    assert answer.json["shown"] is True
    assert "2.0 points: shown" in answer.out
    assert "30.0 points, 28.0 more (GRPO with ratio and clipping: 5.0 points): shown" in answer.out


def test_version_and_ctrl_c(call, monkeypatch):
    assert call("--version").out.startswith("steelyard 0.")

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("steelyard.cli.report_command.run", stop)
    assert call("report", "x").code == 130


def test_json_says_null_where_a_number_is_not_finite():
    data = {"loss": math.nan, "rows": [(1, math.inf), -math.inf], "name": "é", 3: True, "none": None}
    assert json.loads(to_json(data)) == {"loss": None, "rows": [[1, None], None], "name": "é", "3": True, "none": None}


# Help


def test_help_comes_at_once_and_without_torch():
    code = (
        "import sys, steelyard.cli as c; c.main(['--help']); sys.exit('torch' in sys.modules or 'tyro' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    spent = os.times().children_user + os.times().children_system
    done = subprocess.run([EXECUTABLE, "--help"], capture_output=True, text=True, timeout=60, check=False)
    spent = os.times().children_user + os.times().children_system - spent
    assert spent < 0.3  # seconds of computing, which other processes do not lengthen
    for name, text in COMMANDS.items():
        assert f"  {name:<12} {text}" in done.stdout
    assert main(["help"]) == main(["--json"]) == main([]) == 0


def help_of(*words, capsys):
    with pytest.raises(SystemExit) as end:
        main([*words, "--help"])
    assert not end.value.code
    return " ".join(capsys.readouterr().out.replace("│", " ").split())


def test_train_help_lists_the_recipes_with_what_they_show(capsys):
    text = help_of("train", capsys=capsys)
    assert "usage: steelyard train RECIPE [OPTIONS]" in text
    assert "arithmetic Trajectory balance selects the habit of working sums out" in text
    assert all(name in text for name in names())


@pytest.mark.parametrize("recipe", ["arithmetic", "enumerable", "rows"])
def test_a_recipes_help_has_the_plain_names(capsys, recipe):
    text = help_of("train", recipe, capsys=capsys)
    plain = ("model", "learning-rate", "num-generations", "max-completion-length", "temperature", "beta", "max-steps",
             "output-dir", "seed", "max-staleness", "runtime", "num-searchers")  # fmt: skip
    assert [name for name in plain if f"--{name} " not in text] == []
    assert text.index("--model ") < text.index("--lora-rank ")  # what is asked for most comes first
    assert f"(default: {load(recipe).learning_rate})" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["study"], "lag Old data: trajectory balance against Dr. GRPO"),
        (["study", "lag"], "Source of the claim: Bartoldson"),
        (["build-base"], "arithmetic Train the base model of the arithmetic recipes"),
        (["build-base", "arithmetic"], "Seed of weights and problems. (default: 0)"),
        (["eval"], "RUN Directory of a run; `steelyard train` prints it at the end."),
        (["sample"], "0 is greedy"),
        (["report"], "usage: steelyard report [-h] RUN"),
        (["replay"], "Show only trajectories that match a filter such as 'reward > 0.5 and version >= 10'"),
        (["repeat"], "Directory of a run made with --runtime inline."),
        (["train"], "steelyard train --resume RUN continues a run that was interrupted"),
        (["methods"], "its equation, its source and its settings"),
        (["check"], "A class in a module that can be imported from here, such as my_module:MyObjective"),
    ],
)
def test_every_command_explains_itself(capsys, words, said):
    assert said in help_of(*words, capsys=capsys)


def test_a_changed_recipe_is_what_the_flags_say(call, monkeypatch):
    """Flags reach the settings, and nothing else changes."""
    seen = []

    def take(settings, **_):
        seen.append(settings)
        raise KeyboardInterrupt

    monkeypatch.setattr("steelyard.cli.train_command.train", take)
    assert (
        call("train", "arithmetic", "--beta", 0.3, "--max-staleness", 4, "--optimizer.schedule.warmup", 7).code == 130
    )
    recipe = load("arithmetic")
    schedule = replace(recipe.optimizer.schedule, warmup=7)
    expected = replace(recipe, objective=replace(recipe.objective, beta=0.3), max_staleness=4)
    assert seen == [replace(expected, optimizer=replace(recipe.optimizer, schedule=schedule))]


def test_a_reader_that_leaves_early_is_no_error():
    """As in steelyard train npo --help | head -1."""
    command = [sys.executable, "-m", "steelyard", "train", "npo", "--help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as shown:
        assert shown.stdout is not None
        assert shown.stderr is not None
        shown.stdout.close()
        assert shown.stderr.read() == ""
        assert shown.wait(timeout=60) == 141
