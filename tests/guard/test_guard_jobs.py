"""Fitting guards on one's own texts: the run directory, a kill and a resume, and what a saved guard is good for."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import steelyard
from interrupted import cut_short
from steelyard.cli import main
from steelyard.core import Episode, Prompt, Sampling, SteelyardError, Trajectory
from steelyard.core.job import Job, MeasuresTexts, Work
from steelyard.guard.harmless import Harmless
from steelyard.guard.labelled import Labelled
from steelyard.guard.measures import alone, together
from steelyard.guard.route_job import Routing
from steelyard.guard.saved import FACTS, read_guard
from steelyard.guard.word_route import WordRoute
from steelyard.learner.fitting_work import FittingWork
from steelyard.recipes import find
from steelyard.reward import Constrained, reward_function
from steelyard.training.run_directory import read_finished_run

FEW: dict[str, Any] = {"eval_steps": 20, "save_steps": 10}


@pytest.fixture(scope="module")
def bag_run(texts_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished run of a bag-of-words guard."""
    run = tmp_path_factory.mktemp("bag") / "run"
    return steelyard.train("bag-guard", texts=str(texts_file), output_dir=str(run), steps=60, **FEW).run_dir


def rows_of(run: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / name).read_text().splitlines()]


def test_a_bag_of_words_learns_a_word(bag_run: Path) -> None:
    evals = rows_of(bag_run, "eval.jsonl")
    assert [row["step"] for row in evals] == [0, 20, 40, 60]
    assert evals[-1]["eval/f1"] == 1.0
    assert json.loads((bag_run / "data.json").read_text())["texts"] + evals[-1]["eval/texts"] == 120
    guard = read_guard(bag_run / "model")
    assert guard(["3 a 5", "3 b 5"]).harm_N.tolist() == pytest.approx([1, 0], abs=0.1)
    assert "F1 of harm" in (bag_run / "report.html").read_text()


@pytest.mark.parametrize("families", [("roberta", "gpt2"), ("gpt2", "roberta")])
def test_a_router_between_classifiers_of_two_families(
    families: tuple[str, str], classifier_of: Callable[[str, int], str], texts_file: Path, tmp_path: Path
) -> None:
    small, large = (classifier_of(family, seed) for seed, family in enumerate(families))
    guards = {"small": small, "large": large}
    settings: dict[str, Any] = {"texts": str(texts_file), **guards, "max_steps": 30, **FEW}
    result = steelyard.train("saferoute", output_dir=str(tmp_path / "run"), **settings)
    after = result.summary["after"]
    assert 0 <= after["eval/f1"] <= 1
    assert after["eval/cost"] == pytest.approx(after["eval/routed"] + 1, abs=0.7)
    job = read_finished_run(result.run_dir).job(base=False)
    assert isinstance(job, Job) and isinstance(job, MeasuresTexts)
    row, _ = job.open().evaluate()
    assert row == after, "what was saved says what was measured"
    other, _ = job.measured_on(str(texts_file)).open().evaluate()
    assert other["eval/texts"] == 120


@pytest.mark.parametrize("name", ["saferoute", "word-route", "bag-guard"])
def test_a_kill_and_a_resume_change_nothing(
    name: str, classifier_of: Callable[[str, int], str], texts_file: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    guards: dict[str, Any] = (
        {} if name == "bag-guard" else {"small": classifier_of("gpt2", 1), "large": classifier_of("gpt2", 2)}
    )
    settings: dict[str, Any] = {"texts": str(texts_file), "max_steps": 25, **guards, **FEW}
    whole = steelyard.train(name, report=False, output_dir=str(tmp_path / "whole"), **settings).run_dir
    cut = tmp_path / "cut"
    cut_short(monkeypatch, FittingWork, 13, name, output_dir=str(cut), **settings)
    steelyard.resume(cut, report=False)
    for file in ("metrics.jsonl", "eval.jsonl", "samples.jsonl", "model/guard.safetensors", "model/guard.json"):
        assert (cut / file).read_bytes() == (whole / file).read_bytes()
    assert steelyard.resume(cut, max_steps=27, report=False).summary["steps"] == 27


def test_settings_are_a_job_and_what_they_open_is_work(texts_file: Path, bag_run: Path) -> None:
    assert isinstance(find("saferoute"), Job)
    job = Routing(texts=str(texts_file), small=str(bag_run), large=str(bag_run), router=WordRoute(steps=5))
    work = job.open()
    assert isinstance(work, Work)
    assert (work.steps, work.num_steps, work.facts["harmful"]) == (0, 5, 60)
    plan = job.plan()
    assert plan["small guard"] == plan["large guard"] != {}
    absent = Routing(texts=str(texts_file), small=str(bag_run), large="somebody/guard").plan()
    assert absent["large guard"] == {"model": "somebody/guard", "fetches": "somebody/guard"}


def test_eval_measures_on_other_texts(bag_run: Path, texts_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", str(bag_run), "--texts", str(texts_file), "--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (found["eval/f1"], found["eval/texts"]) == (1.0, 120)
    assert main(["eval", str(bag_run), "--prompts", "3"]) == 2
    assert "--prompts: the run is a job on given data" in capsys.readouterr().err


def test_measures_by_hand() -> None:
    texts = Labelled(["w", "x", "y", "z"], torch.tensor([True, True, False, False]))
    small_N, large_N = torch.tensor([0.9, 0.1, 0.8, 0.1]), torch.tensor([0.9, 0.9, 0.2, 0.2])
    assert alone(small_N, texts) == {"eval/f1": 0.5, "eval/right": 0.5, "eval/texts": 4}
    row = together(small_N, large_N, torch.tensor([False, True, False, False]), texts, (10, 40))
    # harmful are ruled w, x (by the large guard) and y: two of three, and all that are
    assert row["eval/f1"] == pytest.approx(4 / 5)
    assert (row["eval/f1_small"], row["eval/f1_large"]) == (0.5, 1.0)
    assert (row["eval/routed"], row["eval/cost"]) == (0.25, 0.5)


def episode(text: str) -> Episode:
    none_T = np.zeros(0, np.float32)
    trajectory = Trajectory("p", none_T.astype(np.int32), none_T > 0, none_T, 0, "", Sampling(), "stop")
    return Episode.of(Prompt("p", "q"), text, trajectory)


def test_a_saved_guard_is_a_reward(bag_run: Path) -> None:
    reward = reward_function(f"guard:{bag_run}")
    assert reward == Harmless(str(bag_run))
    found = reward([episode("1 a 2"), episode("1 b 2")])
    assert [score.value for score in found] == pytest.approx([0, 1], abs=0.1)
    assert reward([]) == []
    with pytest.raises(SteelyardError, match=r"^guard:nowhere: there is no guard; give the run of a guard"):
        reward_function("guard:nowhere")([episode("1")])


def test_two_guards_are_two_constraints_named_by_their_runs(bag_run: Path, tmp_path: Path) -> None:
    shutil.copytree(bag_run, other := tmp_path / "other")
    reward = reward_function(f"guard:{bag_run}")
    both = Constrained(reward, (reward_function(f"guard:{other}/model"), reward))
    (score,) = both([episode("1 b 2")])
    assert score.parts == {"constraint/other": 1.0, "constraint/run": 1.0}
    (score,) = reward_function([f"guard:{bag_run}", (f"guard:{other}", 0.5)])([episode("1 b 2")])
    assert score.parts.keys() == {"run", "other"}
    assert score.value == pytest.approx(1.5, abs=0.1)


def test_a_run_is_trained_by_a_guard_and_under_it(
    bag_run: Path, tmp_path: Path, tiny_model_dir: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"prompt": f"{a} a ", "answer": "b"}) + "\n" for a in range(20)))
    line = f"--model {tiny_model_dir('gpt2')} --path {rows} --runtime inline --max-steps 2 --num-prompts 2"
    line += " --search-prompts 2 --num-generations 2 --max-completion-length 6"
    line += " --evaluation.prompts 2 --evaluation.sampled-prompts 1"
    by, under = tmp_path / "by", tmp_path / "under"
    few = [*line.split(), "--replay.warmup", "0"]
    assert main(["train", "rows", *few, "--reward", f"guard:{bag_run}", "--output-dir", str(by)]) == 0
    assert 0 < rows_of(by, "metrics.jsonl")[-1]["search/reward_mean"] < 1
    judged = ["--constraint", f"guard:{bag_run}", "--output-dir", str(under)]
    assert main(["train", "rows-crpg", *line.split(), *judged]) == 0
    assert 0 <= rows_of(under, "metrics.jsonl")[-1]["search/reward/constraint/run"] <= 1
    assert json.loads((under / "config.json").read_text())["run"]["constraint"] == f"guard:{bag_run}"
    assert main(["train", "rows", *few, *judged[:2]]) == 2
    assert "--constraint: is set, but VarGradTB does not look at verdicts" in capsys.readouterr().err


def test_another_guard_in_the_same_place_is_found_out(
    bag_run: Path, texts_file: Path, classifier_of: Callable[[str, int], str], tmp_path: Path
) -> None:
    guards = {"small": str(bag_run), "large": classifier_of("gpt2", 1)}
    settings: dict[str, Any] = {"texts": str(texts_file), **guards, "max_steps": 2}
    run = steelyard.train("word-route", output_dir=str(tmp_path / "run"), report=False, **settings).run_dir
    facts = json.loads((run / "model" / FACTS).read_text())
    facts["large"]["model"] = classifier_of("gpt2", 2)
    (run / "model" / FACTS).write_text(json.dumps(facts))
    with pytest.raises(SteelyardError, match="is another guard than the router was fitted on"):
        read_guard(run / "model")
    (run / "model" / FACTS).write_text(json.dumps(facts | {"kind": "cascade", "router": {"method": "saferoute"}}))
    with pytest.raises(SteelyardError, match="no guard can be read"):
        read_guard(run / "model")
