import json
from dataclasses import replace
from pathlib import Path

import pytest

from steelyard.core import FaultError, SteelyardError, encode
from steelyard.experiments.harness import sweep as module
from steelyard.experiments.harness.sweep import sweep
from steelyard.objective import VarGradTB
from steelyard.runtime import HeldOut, Run
from steelyard.task import Enumerable
from steelyard.training.run_directory import read_finished_run

TINY = Run(
    task=Enumerable(),
    objective=VarGradTB(beta=0.15),
    model="steelyard/enumerable",
    runtime="inline",
    max_steps=2,
    num_prompts=2,
    num_generations=8,
    search_prompts=2,
    max_completion_length=3,
    search_temperature=float("inf"),
    evaluation=HeldOut(every=2, prompts=2, sampled_prompts=1, samples=1),
)


def test_two_runs_side_by_side_are_kept_by_label(tmp_path: Path, capsys):
    runs = {"first": TINY, "second": replace(TINY, seed=1)}
    results = sweep("test", runs, jobs=1, directory=str(tmp_path / "study"))
    assert list(results) == ["first", "second"]
    for label, result in results.items():
        assert result["run_dir"] == str(tmp_path / "study" / label)
        assert result["steps"] == 2
        assert read_finished_run(result["run_dir"]).run == replace(runs[label], output_dir=result["run_dir"])
    assert results["first"]["total_variation"] != results["second"]["total_variation"]
    assert json.loads((tmp_path / "study/results.json").read_text()) == results
    assert "first" in capsys.readouterr().err


def test_a_study_that_was_cut_short_goes_on(tmp_path: Path):
    directory = str(tmp_path / "study")
    first = sweep("test", {"cut": TINY}, directory=directory)["cut"]
    (tmp_path / "study/cut/result.json").unlink()
    again = sweep("test", {"cut": TINY}, directory=directory)["cut"]
    assert again | {"seconds": 0.0} == first | {"seconds": 0.0}
    assert sweep("test", {"cut": TINY}, directory=directory)["cut"] == again, "it has ended: taken as it is"
    with pytest.raises(SteelyardError, match="holds a run with other settings"):
        sweep("test", {"cut": replace(TINY, seed=2)}, directory=directory)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("study/a/notes.txt", "mine", "a: is not empty; choose another"),
        ("study/a", "a file", "a: is a file"),
        ("study", "a file", "study/b: cannot be made in"),
        ("study/a/config.json", "{", "config.json: is damaged"),
    ],
)
def test_what_is_in_the_way_is_found_before_any_run_begins(tmp_path: Path, monkeypatch, name, text, message):
    monkeypatch.setattr(module, "_run", lambda *_: pytest.fail("a run was begun"))
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(text)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SteelyardError, match=message):
        sweep("test", {"b": TINY, "a": TINY}, directory=str(tmp_path / "study"))
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("text", ["", "[1]", '{"seconds": ', "\xff", "[" * 10**5])
def test_a_damaged_result_is_named(tmp_path: Path, monkeypatch, text):
    place = tmp_path / "study/a"
    place.mkdir(parents=True)
    run = replace(TINY, output_dir=str(place))
    (place / "config.json").write_text(json.dumps({"recipe": "x", "run": encode(run)}))
    (place / "result.json").write_text(text, encoding="latin-1")
    with pytest.raises(SteelyardError, match=r"result.json: is damaged; delete it to repeat the run"):
        sweep("test", {"a": TINY}, directory=str(tmp_path / "study"))


def test_a_run_past_its_deadline(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(module, "_DEADLINE", 0.01)
    with pytest.raises(FaultError, match=r"slow: has not ended within 0 s; begin the study again with the same"):
        sweep("test", {"slow": TINY}, directory=str(tmp_path / "study"))


def test_a_failing_run_gives_its_last_line(tmp_path: Path):
    with pytest.raises(SteelyardError, match=r"^bad: model: no such directory: './nowhere'; give .*; run it alone"):
        sweep("test", {"bad": replace(TINY, model="./nowhere")}, directory=str(tmp_path / "study"))
    assert not (tmp_path / "study/results.json").exists()


def test_results_keep_the_order_of_the_runs_and_go_to_a_directory_of_the_study(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "_run", lambda label, run: (tmp_path / run.output_dir).mkdir(parents=True) or
                        {"seconds": 1.0, "seed": run.seed})  # fmt: skip
    results = sweep("order", {str(s): replace(TINY, seed=s) for s in (3, 1, 2)}, jobs=3)
    assert [r["seed"] for r in results.values()] == [3, 1, 2]
    (study,) = (tmp_path / "runs").iterdir()
    assert study.name.startswith("study-order-")
    assert sorted(path.name for path in study.iterdir()) == ["1", "2", "3", "results.json"]


def test_a_number_of_jobs_below_zero_is_refused():
    with pytest.raises(SteelyardError, match="--jobs: is -1"):
        sweep("test", {"a": TINY}, jobs=-1)
